/**
 * How commands talk: data on stdout (plain lines, or one JSON object a line with --json), everything else on stderr.
 * Exit codes: see EXIT_CODES.
 */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { printable } from '../core/text.js';
import { WrongStoreError } from '../disk/files.js';
import { type ErrorCode, HeadwaterError } from '../errors.js';
import { fired } from '../node/aborts.js';
import { isSaid, type LogLevel } from './logging/level.js';
import { painted, type Style } from './terminal/terminal.js';

export const EXIT = { ok: 0, failed: 1, usage: 2, partial: 3, interrupted: 130 } as const;

/** For --help; GUIDE has the same as a table. To be told to stop is Ctrl-C, SIGTERM, or a reader of stdout that has gone. */
export const EXIT_CODES = `Exit codes:
  0    done; also what runs until it is told to stop (node, link, receive without --count) and was told so
  1    failed
  2    usage or configuration: nothing was begun; also a store of another group or member, or in no folder
  3    done in part: some members have the file, some do not
  130  told to stop before it was done

To stop: Ctrl-C, SIGTERM, or a stdout whose reader has gone (\`... | head -1\`), which is found once there is more to print.
A second Ctrl-C ends at once, with 130.`;

/**
 * A line of data; what it holds cannot drive a terminal.
 *
 * @param style of the first `length` characters, where the terminal has colours
 */
export function print(line: string, style?: Style, length = line.length): void {
  const head = printable(line.slice(0, length));
  process.stdout.write(`${style ? painted(head, style) : head}${printable(line.slice(length))}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/**
 * A line that counts as done once the reader's system has it: what waits in this process would be lost with it. If the
 * output is lost it is never done.
 *
 * @returns undefined if that is so already
 */
export function hand(line: string): Promise<void> | undefined {
  const { stdout } = process;
  const done = new Promise<void>((resolve) => {
    stdout.write(`${printable(line)}\n`, (error) => {
      if (!error) resolve();
    });
  });
  return stdout.writableLength === 0 && stdout.writable && !stdout.errored ? undefined : done;
}

/** An event as a JSON line. While nobody reads it is left out at last, and how many were is told. */
export function tellJson(value: unknown): void {
  if (process.stdout.writableLength > MAX_BACKLOG) {
    leftOut++;
    return;
  }
  if (leftOut > 0) printJson({ event: 'left-out', lines: leftOut });
  leftOut = 0;
  printJson(value);
}

/** Waits until the reader has all that was written, but no longer than `ms`. */
export async function drained(ms: number): Promise<void> {
  for (let waited = 0; waited < ms && process.stdout.writableLength > 0; waited += POLL_MS)
    await sleep(POLL_MS);
}

/**
 * A line for the person who watches, or for a journal; left out at a level that is not said, and while the lines before it are not read.
 */
export function note(line: string, level: LogLevel = 'info'): void {
  if (isTold(level)) write(line, level, logFormat);
}

/** The same with its time, unless it is an object that has one, and whatever the level: it was asked for by itself. */
export function noteWithTime(line: string): void {
  write(line, 'debug', logFormat === 'json' ? 'json' : 'time');
}

function write(line: string, level: LogLevel, format: typeof logFormat): void {
  if (process.stderr.writableLength > MAX_BACKLOG) return;
  const text = format === 'json' ? JSON.stringify({ time: new Date(), level, text: line }) : line;
  const time = format === 'time' ? `${new Date().toISOString()} ` : '';
  process.stderr.write(`${time}${printable(text)}\n`);
}

/** How lines on stderr are written from now on. */
export function setLogFormat(format: LogFormat): void {
  // A journal has times of its own (systemd.exec(5)).
  const isTold = process.stderr.isTTY || process.env.JOURNAL_STREAM !== undefined;
  logFormat = format === 'auto' ? (isTold ? 'plain' : 'time') : format;
}

/** What is said on stderr from now on. */
export function setLogLevel(level: LogLevel): void {
  logLevel = level;
}

/** Whether what has this level is said now. */
export function isTold(level: LogLevel): boolean {
  return isSaid(level, logLevel);
}

/** `plain`: the text alone; `time`: with the time before it; `json`: an object a line, with `time`, `level` and `text`; `auto`: as there is somebody who watches. */
export type LogFormat = (typeof LOG_FORMATS)[number];
export const LOG_FORMATS = ['auto', 'plain', 'time', 'json'] as const;

/** From now on what goes wrong is an event on stdout too. */
export function useJson(): void {
  json = true;
}

/** Says in one line on stderr what went wrong, with --json also as an event on stdout, and gives the exit code for it. */
export function reportError(error: unknown): number {
  if (json) {
    const { code, message } =
      error instanceof HeadwaterError ? error : { code: 'INTERNAL', message: String(error) };
    tellJson({ event: 'error', code, message });
  }
  if (!(error instanceof HeadwaterError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    for (const line of `headwater: ${text}`.split('\n')) note(line, 'error');
    return EXIT.failed;
  }
  if (error.code === 'ABORTED') {
    note('headwater: interrupted');
    return EXIT.interrupted;
  }
  note(`headwater: ${error.message}`, 'error');
  return USAGE_CODES.includes(error.code) || error instanceof WrongStoreError ? EXIT.usage : EXIT.failed;
}

/**
 * Runs `work` with a signal that Ctrl-C and SIGTERM fire, and the loss of stdout; a second Ctrl-C ends the process at once.
 * Once `work` is over the process ends, whatever nobody reads or a name server has not answered.
 */
export async function withInterrupt(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  stopWork = () => controller.abort();
  try {
    await work(controller.signal);
  } catch (error) {
    if (!outputLost || !isAborted(error)) throw error;
    process.exitCode = EXIT.interrupted;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    if (controller.signal.aborted) setTimeout(endProcess, LAST_WORDS_MS).unref();
  }
  // A reader that has gone (`headwater ... | head -1`) is no failure.
  if (outputLost && outputLost.code !== 'EPIPE')
    throw new HeadwaterError('FILE', `stdout: expected to write, got ${outputLost.code}`, {
      cause: outputLost,
    });
}

/** The same for what runs until it is told to stop: to be told so while it starts is no failure. */
export function untilInterrupted(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  return withInterrupt((signal) =>
    work(signal).catch((error) => {
      if (!signal.aborted || !isAborted(error)) throw error;
    }),
  );
}

export { fired };

/** What `work` gives; undefined if the signal fires first. */
export async function beforeFired<T>(signal: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  const over = new AbortController();
  const stopped = fired(signal, over.signal).then(() => undefined);
  return await Promise.race([work, stopped]).finally(() => over.abort());
}

/** What `work` gives, unless the signal fires first: then ABORTED, and what it gives later goes to `discard`. */
export async function unlessFired<T>(
  signal: AbortSignal,
  work: Promise<T>,
  discard: (late: T) => unknown = () => {},
): Promise<T> {
  const result = await beforeFired(
    signal,
    work.then((value) => ({ value })),
  );
  if (result && !signal.aborted) return result.value;
  await (result ? discard(result.value) : void work.then(discard, () => {}));
  throw interrupted();
}

/** Follows what becomes of stdout and stderr; to be called once, first of all. */
export function watchOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    outputLost ??= error;
    if (stopWork) stopWork();
    else process.exit(error.code === 'EPIPE' ? EXIT.ok : reportError(outputError(error)));
  });
  // Without one to tell, the work and its exit code still count.
  process.stderr.on('error', () => {});
}

export function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** A new folder where this system keeps what is temporary. Throws FILE. */
export async function temporaryFolder(prefix: string): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), prefix));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const message = `TMPDIR: expected a folder to write to, got ${code} for ${tmpdir()}`;
    throw new HeadwaterError('FILE', message, { cause });
  }
}

export function interrupted(): HeadwaterError {
  return new HeadwaterError('ABORTED', 'interrupted');
}

/** A file that cannot even be opened, or a name server that does not answer, holds a thread for which an exit would wait. */
function endProcess(): void {
  if (process.getActiveResourcesInfo().some((what) => IN_THREADS.test(what)))
    process.kill(process.pid, 'SIGTERM');
  else process.exit();
}

function outputError(cause: NodeJS.ErrnoException): HeadwaterError {
  json = false;
  return new HeadwaterError('FILE', `stdout: expected to write, got ${cause.code}`, { cause });
}

function isAborted(error: unknown): boolean {
  return error instanceof HeadwaterError && error.code === 'ABORTED';
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

let outputLost: NodeJS.ErrnoException | undefined;
let stopWork: (() => void) | undefined;
let leftOut = 0;
let json = false;
let logFormat: Exclude<LogFormat, 'auto'> = 'plain';
let logLevel: LogLevel = 'info';

/** Bytes of events and notes that wait for a reader. */
const MAX_BACKLOG = 256 * 1024;
const POLL_MS = 20;
const IN_THREADS = /^(FSReq|GetAddrInfo)/;
/** What is still to be written when all else is over has so long to find its reader. */
const LAST_WORDS_MS = 1000;
const USAGE_CODES: readonly ErrorCode[] = ['INVALID_ARGUMENT', 'INVALID_CONFIG'];
