/**
 * How commands talk: data on stdout (plain lines, or one JSON object a line with --json), everything else on stderr.
 * Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 done in part, 130 interrupted.
 */
import { InvalidArgumentError } from 'commander';
import { type ErrorCode, HeadwaterError } from '../errors.js';

export const EXIT = { ok: 0, failed: 1, usage: 2, partial: 3, interrupted: 130 } as const;

/** A line of data. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** A line for the person who watches. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Text from elsewhere, safe on a terminal and in one line: control characters are shown as escapes. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not get through
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (char) =>
    char === '\n' ? '\\n' : `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Says in one line what went wrong and gives the exit code for it. */
export function reportError(error: unknown): number {
  if (!(error instanceof HeadwaterError)) {
    note(`headwater: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return EXIT.failed;
  }
  if (error.code === 'ABORTED') {
    note('headwater: interrupted');
    return EXIT.interrupted;
  }
  note(`headwater: ${printable(error.message)}`);
  return USAGE_CODES.includes(error.code) ? EXIT.usage : EXIT.failed;
}

/** Runs `work` with a signal that Ctrl-C and SIGTERM fire; a second Ctrl-C ends the process at once. */
export async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

/** A commander argument parser for numbers in [min, max]. */
export function number(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max))
      throw new InvalidArgumentError(`expected a number from ${min} to ${max}, got ${text}.`);
    return value;
  };
}

/** The same for integers. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`expected an integer from ${min} to ${max}, got ${text}.`);
    return value;
  };
}

/** Bytes for people: 4.2 MB. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const step = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** step).toFixed(1)} ${['B', 'kB', 'MB', 'GB'][step]}`;
}

export function formatPercent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

const USAGE_CODES: readonly ErrorCode[] = ['INVALID_ARGUMENT', 'INVALID_CONFIG'];
