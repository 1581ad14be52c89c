/** Whether batches work here, found out once in a process: datagrams that a socket sends to itself have to arrive as they were. */
import type { Kernel } from './kernel.js';
import { openRaw, type RawSocket } from './raw.js';

/** What works: all, or without the kernel cutting up datagrams, or nothing; and why not more. */
export type Ability =
  | { segments: boolean; reason?: string | undefined }
  | { segments?: undefined; reason: string };

export function selfTest(kernel: Kernel): Ability {
  const whole = attempt(kernel, true);
  if (whole === undefined) return { segments: true };
  const single = attempt(kernel, false);
  if (single === undefined) return { segments: false, reason: `UDP_SEGMENT: ${whole}` };
  return { reason: `self-test on loopback: ${single}` };
}

/** What went wrong. */
function attempt(kernel: Kernel, segments: boolean): string | undefined {
  let raw: RawSocket | undefined;
  try {
    raw = openRaw(kernel, { host: '127.0.0.1', port: 0, isV6: false });
    return sendToItself(raw, segments);
  } catch (error) {
    return (error as Error).message;
  } finally {
    raw?.dispose();
  }
}

function sendToItself(raw: RawSocket, segments: boolean): string | undefined {
  const self = raw.name();
  const heard: Uint8Array[] = [];
  const incoming = raw.receiver((source, bytes) => {
    if (source.port === self.port && source.address === self.address) heard.push(bytes.slice());
  });
  const out = raw.sender({ segments, setLarge: undefined, putOff: () => {} });
  const sockaddr = raw.addresses.encode({ host: self.address, port: self.port })!;
  const to = { sockaddr, segmentsAt: 0, batch: 0, first: -1, last: -1 };
  const said = SIZES.map((size, i) => new Uint8Array(size).fill(i + 1));
  for (const bytes of said) out.add(to, bytes);
  out.flush();
  if (out.unsegmented > 0) return 'expected datagrams that are cut up, got a refusal';
  for (let i = 0; i < MAX_WAITS && heard.length < said.length; i++) {
    raw.wait(WAIT);
    incoming.drain(said.length);
  }
  // Compared in whatever order they came: that is UDP's.
  heard.sort((a, b) => a[0] - b[0]);
  const isRight =
    heard.length === said.length && heard.every((bytes, i) => Buffer.compare(bytes, said[i]) === 0);
  return isRight ? undefined : `expected ${said.length} datagrams as they were sent, got ${heard.length}`;
}

/** Two runs with a shorter end, and one alone. */
const SIZES = [1200, 1200, 1200, 700, 800, 800, 1300];
const MAX_WAITS = 5;
/** Milliseconds; on loopback they are there at once. */
const WAIT = 20;
