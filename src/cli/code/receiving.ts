/** Saves what members of a group send, and says what becomes of it: what `receive` does once it is a member. */
import { access, constants, rmdir } from 'node:fs/promises';
import { HeadwaterError, invalid } from '../../errors.js';
import { makeFolder } from '../../file/disk.js';
import { type FileReceiving, type ReceiveEvent, receiveFiles } from '../../file/receive.js';
import type { Member } from '../../group/group.js';
import type { Node, NodeEvent } from '../../node/node.js';
import { some } from '../../node/status/conditions.js';
import { WARNED } from '../../node/status/hints.js';
import { Events } from '../events.js';
import {
  beforeFired,
  EXIT,
  formatBytes,
  hand,
  note,
  printJson,
  reportError,
  sleep,
  tellJson,
} from '../io.js';
import { noteTotals, reportEvery } from '../member.js';
import { createProgress, type Progress } from '../terminal/progress.js';
import { runAfter } from '../transfer/exec.js';
import { keepYoungSpaceSmall } from '../transfer/heap.js';

export interface Taking {
  out: string;
  count?: number | undefined;
  overwrite?: boolean | undefined;
  maxSize?: number | undefined;
  exec?: string | undefined;
  json?: boolean | undefined;
  mode?: 'overlay' | 'auto' | undefined;
  multicastInterface?: string | undefined;
  /** Makes the member; `from`: whose files are taken, if not everybody's. */
  start(handlers: { onEvent(event: NodeEvent): void }): Promise<{ node: Node; from?: Member }>;
}

/** Saves what comes, to `options.count` transfers or until the signal fires. */
export async function receive(options: Taking, signal: AbortSignal): Promise<void> {
  const { json, out, overwrite, maxSize, exec, count = Number.POSITIVE_INFINITY } = options;
  keepYoungSpaceSmall();
  await using _out = await prepareFolder(out);
  const events = new Events(json === true, ['peer', ...WARNED]);
  let underWay: { bytes: number; held: number; from: string } | undefined;
  const onEvent = (event: NodeEvent) => {
    events.on(event);
    if (event.type === 'peer' && !event.reachable && event.member.name === underWay?.from)
      tellSilent(underWay, json === true);
  };
  const { node: started, from } = await options.start({ onEvent });
  await using node = started;
  const finished = new AbortController();
  const receiving = receiveFiles({
    node,
    folder: out,
    from,
    overwrite,
    multicast: options.mode !== 'overlay',
    multicastInterface: options.multicastInterface,
    maxBytes: maxSize === undefined ? undefined : maxSize * 1024 * 1024,
    signal: AbortSignal.any([signal, finished.signal]),
  });
  if (json) printJson({ event: 'ready', name: node.self.name, address: node.address });
  else note(`${node.self.name} of group ${node.group.name} at ${node.address}, saving to ${out}`);
  const stopReports = json ? reportEvery(node, 200) : () => {};
  using _watch =
    from &&
    watchSender(
      node,
      from,
      () => underWay?.held,
      () => finished.abort(),
    );
  const bar = createProgress(json ? 'silent' : 'bar', (): Progress[] => {
    return underWay ? [{ name: underWay.from, done: underWay.held, total: underWay.bytes }] : [];
  });
  let saved = 0;
  let failed = 0;
  let unrun = 0;
  for await (const event of receiving) {
    const { bytes, from } = event;
    underWay = 'held' in event ? { bytes, held: event.held, from: from.name } : undefined;
    if (event.type === 'saved') saved++;
    if (event.type === 'failed') failed++;
    await tellEvent(event, json === true, signal);
    if (event.type === 'saved' && exec !== undefined && !(await isRun(exec, event, json === true, signal)))
      unrun++;
    if (saved + failed < count) continue;
    receiving.refuseNew();
    if (!json) note('staying until the sender knows, and nobody needs it from here');
    void settle(receiving, signal).then(() => finished.abort());
  }
  stopReports();
  bar.stop();
  tellEnd(node, { saved, failed }, json === true);
  if (failed + unrun > 0) process.exitCode = EXIT.failed;
  else if (saved < count && from && !signal.aborted) throw senderGone(from, underWay);
  else if (saved < count && options.count !== undefined) process.exitCode = EXIT.interrupted;
}

/** Whoever has a code has one sender alone: once that is gone, and nobody else brings anything, nothing is to come. */
function watchSender(node: Node, from: Member, held: () => number | undefined, gone: () => void): Disposable {
  let movedAt = performance.now();
  let last = held();
  const timer = setInterval(() => {
    const isHere = node.status().peers.some(({ name, reachable }) => name === from.name && reachable);
    const now = held();
    if (isHere || now !== last) movedAt = performance.now();
    last = now;
    if (performance.now() - movedAt >= SENDER_GONE_MS) gone();
  }, 1000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function senderGone(from: Member, underWay: { bytes: number; held: number } | undefined): HeadwaterError {
  const got = underWay ? `${formatBytes(underWay.held)} of ${formatBytes(underWay.bytes)}` : 'nothing';
  return new HeadwaterError(
    'UNREACHABLE',
    `receive: expected all of it from ${from.name}, got ${got} before it had gone; what is here is kept, and goes on under its next code`,
  );
}

function tellEnd(node: Node, counts: { saved: number; failed: number }, json: boolean): void {
  if (json) printJson({ event: 'end', ...counts, ...node.status() });
  else noteTotals(node.status());
}

/** One whose sender goes silent may never be whole: that is to be said, and how much of it there is. */
function tellSilent(
  { bytes, held, from }: { bytes: number; held: number; from: string },
  json: boolean,
): void {
  const missing = bytes - held;
  if (json) tellJson({ event: 'silent', member: from, bytes, missing });
  else
    note(
      `${from} has gone silent: ${formatBytes(missing)} of ${formatBytes(bytes)} are missing, ` +
        'and come once it is back, or from others who have them',
    );
}

/** Now, not when the first file has arrived, is the time to say that it could not be saved. What was made for nothing goes at the end. */
async function prepareFolder(path: string): Promise<AsyncDisposable> {
  if (path === '-')
    throw invalid('--out', 'a folder, as nothing is written to stdout (./- for one of that name)', path);
  try {
    const made = await makeFolder(path);
    await access(path, constants.W_OK | constants.X_OK);
    return {
      async [Symbol.asyncDispose]() {
        for (const folder of made.reverse()) await rmdir(folder).catch(() => {});
      },
    };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const got = code === 'EEXIST' ? 'something that is no folder' : code;
    throw new HeadwaterError('FILE', `--out: expected a folder to write to, got ${got} at ${path}`, {
      cause,
    });
  }
}

async function tellEvent(event: ReceiveEvent, json: boolean, signal: AbortSignal): Promise<void> {
  // A line is never handed over where its reader has gone, which stops us.
  const handed = (line: string) => {
    const done = hand(line);
    return done && beforeFired(signal, done);
  };
  const { type, from, bytes } = event;
  const about = { from: from.name, bytes };
  if (type === 'failed') {
    reportError(event.error);
    if (json) tellJson({ event: 'failed', ...about, reason: event.reason });
  } else if (type === 'progress') {
    if (json) tellJson({ event: 'progress', ...about, held: event.held });
  } else if (type === 'offer') {
    const { held, paths } = event;
    if (json) tellJson({ event: 'offer', ...about, held, paths });
    else
      note(
        `receiving ${formatBytes(bytes)} from ${from.name}: ${some(paths)}${held > 0 ? `, ${formatBytes(held)} of it here from before` : ''}`,
      );
  } else {
    const { root, paths, superseded } = event;
    if (!json && superseded.length > 0) note(`removed what was left of former versions: ${some(superseded)}`);
    if (json) await handed(JSON.stringify({ event: 'saved', ...about, root, paths, superseded }));
    else await handed(paths.map((path) => `${root}  ${path}`).join('\n'));
  }
}

/** Whether the program that is to follow has done its work; says so if not. */
async function isRun(
  program: string,
  event: Extract<ReceiveEvent, { type: 'saved' }>,
  json: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const failure = await runAfter(program, event, signal);
  if (json)
    tellJson({ event: 'exec', program, from: event.from.name, root: event.root, failure: failure ?? null });
  else if (failure !== undefined) note(`--exec: expected ${program} to end with 0, got ${failure}`);
  return failure === undefined;
}

/** Stays until the senders know what became of their files and nobody needs them from here, or for a while. */
async function settle(receiving: FileReceiving, signal: AbortSignal): Promise<void> {
  for (let i = 0; i < SETTLE_STEPS && !signal.aborted && (i === 0 || !receiving.isSettled); i++)
    await sleep(SETTLE_STEP);
}

const SETTLE_STEP = 100;
/** For others that are slower. */
const SETTLE_STEPS = 300;
/** A sender that is there is heard each second. */
const SENDER_GONE_MS = 30_000;
