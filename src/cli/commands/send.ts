/** `headwater send FILE`: broadcasts one file to the group and waits for the members' confirms. */
import type { Command } from 'commander';
import { toHex } from '../../core/bytes.js';
import { sha256 } from '../../crypto/hash.js';
import { HeadwaterError } from '../../errors.js';
import { readFileToSend } from '../../file/disk.js';
import { type Content, unwrap, wrapFile } from '../../file/envelope.js';
import type { Member } from '../../group/group.js';
import type { BroadcastResult, Delivery, Node, NodeEvent } from '../../node/node.js';
import { WARNED } from '../../node/status/hints.js';
import { Events, peersOf } from '../events.js';
import {
  EXIT,
  formatBytes,
  interrupted,
  note,
  number,
  print,
  printJson,
  sleep,
  withInterrupt,
} from '../io.js';
import { type MemberOptions, memberOptions, noteTotals, reportEvery, startMember } from '../member.js';
import { createProgress } from '../progress.js';
import { Answers, Verdicts } from '../receipts.js';

interface SendOptions extends MemberOptions {
  wait: number;
  timeout: number;
}

export function sendCommand(program: Command): void {
  memberOptions(
    program
      .command('send')
      .description(
        'broadcast a file to the group; exit 0 once all members have saved it, 3 if only some hold or save it',
      )
      .argument('<file>', 'what to send'),
  )
    .option(
      '--wait <seconds>',
      'how long to wait for all members before starting with a quorum',
      number(0, 86400),
      5,
    )
    .option('--timeout <seconds>', 'give up after so long', number(1, 86400 * 7), 600)
    .action((file: string, options: SendOptions) =>
      withInterrupt(async (stopped) => {
        const { name, bytes } = await readFileToSend(file, options.maxSize * 1024 * 1024);
        const timeout = AbortSignal.timeout(options.timeout * 1000);
        const verdicts = new Verdicts();
        const deliver = ({ from, id, bytes: message }: Delivery) => {
          const content = contentOf(message);
          if (!content) return;
          if (content.kind === 'receipt') verdicts.hear(content.receipt, from);
          else if (content.kind !== 'file') return;
          else if (from === node.self) verdicts.sent(id);
          else new Answers(node).answer(id, 'held');
        };
        // What was sent before is nothing to who sends.
        const events = new Events(options.json === true, ['peer', 'lost', ...WARNED]);
        const onEvent = (event: NodeEvent) => events.on(event);
        await using node = await startMember(options, { deliver, onEvent }, stopped);
        const why = (member: Member) => events.why(member, node);
        try {
          await sendFile(node, name, bytes, options, verdicts, why, { stopped, timeout });
        } catch (error) {
          if (!timeout.aborted || stopped.aborted) throw error;
          throw new HeadwaterError(
            'UNREACHABLE',
            `send: expected confirms from ${node.group.quorum} members within ${options.timeout} s, got too few: ${lacking(node, why)}`,
          );
        }
      }),
    );
}

/** The members that have not confirmed, and why. */
function lacking(node: Node, why: (member: Member) => string): string {
  const { objects } = node.status();
  const open = peersOf(node).filter(({ reachable }) => !reachable || objects.length > 0);
  return open.map(({ member }) => `${member.name} (${why(member)})`).join(', ');
}

/** What others say that cannot be told is no reason not to send. */
function contentOf(message: Uint8Array): Content | undefined {
  try {
    return unwrap(message);
  } catch {
    return undefined;
  }
}

interface Ends {
  /** By the user. */
  stopped: AbortSignal;
  timeout: AbortSignal;
}

async function sendFile(
  node: Node,
  name: string,
  bytes: Uint8Array,
  options: SendOptions,
  verdicts: Verdicts,
  why: (member: Member) => string,
  ends: Ends,
) {
  const { json } = options;
  const { group } = node;
  const others = group.members.filter((member) => member !== node.self);
  const digest = toHex(sha256(bytes));
  if (json) printJson({ event: 'ready', name: node.self.name, address: node.address });
  else note(`${name}: ${formatBytes(bytes.length)} to ${others.length} members of ${group.name}`);
  const signal = AbortSignal.any([ends.stopped, ends.timeout]);
  const stopWaiting = noteWaiting(json, () => {
    const away = peersOf(node).filter(({ reachable }) => !reachable);
    return away.map(({ member }) => `${member.name} (${why(member)})`);
  });
  await reachGroup(node, options.wait, signal).finally(stopWaiting);

  const started = performance.now();
  if (json) printJson({ event: 'start', file: name, bytes: bytes.length, sha256: digest });
  const stopReports = json ? reportEvery(node, 200) : () => {};
  const progress = createProgress(json ? 'silent' : 'bar', () => {
    const { objects, metrics, recent } = node.status();
    const object = objects.find(({ from }) => from === node.self.name);
    const sent = `${formatBytes(metrics.sentBytes)} sent, ${formatBytes(recent.sentBytesPerSecond)}/s`;
    return (
      object && { done: object.confirmedMembers - 1, total: others.length, unit: `members hold it; ${sent}` }
    );
  });
  const done = new AbortController();
  let result: BroadcastResult | undefined;
  try {
    const broadcast = node.broadcast(wrapFile(name, bytes), {
      signal: AbortSignal.any([signal, done.signal]),
    });
    result = await untilAnswered(node, verdicts, broadcast, ends, { why, json });
  } finally {
    done.abort();
    stopReports();
    progress.stop();
  }
  const seconds = (performance.now() - started) / 1000;
  const status = node.status();
  const ratio = status.metrics.sentBytes / bytes.length;
  const outcome = outcomeOf(others, verdicts, result);
  const { saved, failed, held, missing } = outcome;
  const reasons = Object.fromEntries(
    others.flatMap((member) => (missing.includes(member.name) ? [[member.name, why(member)]] : [])),
  );
  const summary = { file: name, bytes: bytes.length, sha256: digest, seconds, ratio };
  if (json) {
    const { sentBytes } = status.metrics;
    const confirmed = [...saved, ...failed.map((each) => each.name), ...held.map((each) => each.name)];
    printJson({
      event: 'sent',
      ...summary,
      sentBytes,
      confirmed,
      ...outcome,
      reasons,
      ...status,
    });
  } else {
    print(`${digest}  ${name}`);
    note(
      `${saved.length} of ${others.length} other members have saved it after ${seconds.toFixed(2)} s; sent ${ratio.toFixed(2)} times its size`,
    );
    for (const each of failed) note(`not saved by ${each.name}: ${each.reason}`);
    for (const each of held) note(`held by ${each.name}: ${each.reason}`);
    for (const each of missing) note(`not reached: ${each} (${reasons[each]})`);
    noteTotals(status);
  }
  if (saved.length === others.length) return;
  process.exitCode = saved.length + held.length > 0 ? EXIT.partial : EXIT.failed;
}

/**
 * Waits until each member has said what became of the file, or has gone. Throws if the time is over before a quorum holds it.
 *
 * @returns undefined if all have said so, though some cannot hold it
 */
async function untilAnswered(
  node: Node,
  verdicts: Verdicts,
  broadcast: Promise<BroadcastResult>,
  { stopped, timeout }: Ends,
  { why, json }: { why: (member: Member) => string; json: boolean | undefined },
): Promise<BroadcastResult | undefined> {
  let result: BroadcastResult | undefined;
  let failure: unknown;
  let open: ReturnType<typeof peersOf> = [];
  const stopWaiting = noteWaiting(json, () => {
    const state = (member: Member) => (result ? 'has it, but has not said that it is saved' : why(member));
    return open.map(({ member }) => `${member.name} (${state(member)})`);
  });
  broadcast.then(
    (value) => {
      result = value;
    },
    (error) => {
      failure = error;
    },
  );
  try {
    for (;;) {
      open = peersOf(node).filter(({ member, reachable }) => {
        return !verdicts.of(member) && !(result && (!reachable || result.missing.includes(member)));
      });
      if (open.length === 0 && (result || node.group.members.length > 1)) return result;
      if (stopped.aborted) throw interrupted();
      if (timeout.aborted && (result || open.length < node.group.members.length - 1)) return result;
      if (failure) throw failure;
      await sleep(ANSWER_POLL_MS);
    }
  } finally {
    stopWaiting();
  }
}

/** Says after a while whom the command waits for, and again each minute, until the returned function is called. */
function noteWaiting(json: boolean | undefined, names: () => readonly string[]): () => void {
  if (json) return () => {};
  let timer: NodeJS.Timeout;
  const tell = () => {
    const waiting = names();
    if (waiting.length > 0) note(`waiting for ${waiting.join(', ')}`);
    timer = setTimeout(tell, WAITING_AGAIN_MS);
  };
  timer = setTimeout(tell, WAITING_MS);
  return () => clearTimeout(timer);
}

interface OutcomeByMember {
  saved: string[];
  failed: { name: string; reason: string }[];
  /** In its memory or store, but not as a file. */
  held: { name: string; reason: string }[];
  missing: string[];
}

function outcomeOf(
  others: readonly Member[],
  verdicts: Verdicts,
  result: BroadcastResult | undefined,
): OutcomeByMember {
  const outcome: OutcomeByMember = { saved: [], failed: [], held: [], missing: [] };
  for (const member of others) {
    const { name } = member;
    const verdict = verdicts.of(member);
    if (verdict?.state === 'saved') outcome.saved.push(name);
    else if (verdict?.state === 'failed') outcome.failed.push({ name, reason: verdict.reason });
    else if (verdict) outcome.held.push({ name, reason: 'it saves no files' });
    else if (result?.confirmed.includes(member))
      outcome.held.push({ name, reason: 'it has not said whether it saved it' });
    else outcome.missing.push(name);
  }
  return outcome;
}

/** All members if they come within `wait` seconds, else as many as a quorum needs, however long that takes. */
async function reachGroup(node: Node, wait: number, signal: AbortSignal): Promise<void> {
  const others = node.group.members.length - 1;
  const patience = AbortSignal.timeout(Math.max(1, wait * 1000));
  try {
    await node.reach(others, { signal: AbortSignal.any([signal, patience]) });
  } catch (error) {
    if (!patience.aborted || signal.aborted) throw error;
    await node.reach(node.group.quorum - 1, { signal });
  }
}

const ANSWER_POLL_MS = 20;
const WAITING_MS = 5000;
const WAITING_AGAIN_MS = 60_000;
