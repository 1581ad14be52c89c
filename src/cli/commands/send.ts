/** `headwater send PATH...`: sends files and folders to the group, and says what becomes of them at each member. */
import { type Command, Option } from 'commander';
import { HeadwaterError } from '../../errors.js';
import {
  type FileSending,
  type Receiver,
  type SendProgress,
  type SendReport,
  sendSource,
} from '../../file/send.js';
import { readSource, survey } from '../../file/source.js';
import type { Member } from '../../group/group.js';
import type { Node, NodeEvent } from '../../node/node.js';
import { WARNED } from '../../node/status/hints.js';
import { inputOf } from '../code/input.js';
import { type SendByCodeOptions, sendByCode } from '../code/send.js';
import { Events } from '../events.js';
import {
  EXIT,
  formatBytes,
  integer,
  note,
  number,
  print,
  printJson,
  tellJson,
  withInterrupt,
} from '../io.js';
import { codeOrMemberOptions, isByCode, noteTotals, reportEvery, startMember } from '../member.js';
import { createProgress } from '../terminal/progress.js';
import { keepYoungSpaceSmall } from '../transfer/heap.js';
import { multicastJson, multicastOf, noteMulticast, sendMulticastOptions } from '../transfer/multicast.js';

interface SendOptions extends Omit<SendByCodeOptions, 'startAfter'> {
  wait: number;
}

export function sendCommand(program: Command): void {
  const command = codeOrMemberOptions(
    program
      .command('send')
      .description(
        'send files and folders, of any size, to who has the code that is printed, or to a group; exit 0 once all have saved them, 3 if only some have',
      )
      .argument('<path...>', 'what to send; - for stdin, with --name'),
  )
    .option('--name <name>', 'the name to send a lone file or folder, or stdin, under')
    .addOption(
      new Option('--symlinks <how>', 'what to do with symbolic links in folders; they are never followed')
        .choices(['skip', 'refuse'])
        .default('skip'),
    )
    .option(
      '--exclude <glob>',
      'leave this out of folders, may be repeated: *.tmp for a name, photos/raw/** for a path',
      (glob: string, before: string[] = []) => [...before, glob],
    )
    .option(
      '--wait <seconds>',
      'how long to wait at first for members that are not there; with a code: begin so long after the first has come',
      number(0, 86400),
      5,
    )
    .option('--timeout <seconds>', 'give up once nothing has moved for so long', number(1, 86400 * 7), 600)
    .option(
      '--expect <n>',
      'with a code: begin once so many receivers are there, and let in no more',
      integer(1, 511),
    )
    .option(
      '--at <address>',
      'with a code: where receivers reach this machine, host:port; that port is bound',
    )
    .option('--qr', 'show the code as a QR code, too');
  sendMulticastOptions(command).action((paths: string[], options: SendOptions, command: Command) => {
    if (isByCode(command, ['expect', 'at', 'qr'], ['bind'])) {
      const startAfter = command.getOptionValueSource('wait') === 'cli' ? options.wait : undefined;
      return withInterrupt((signal) => sendByCode(paths, { ...options, startAfter }, signal));
    }
    return withInterrupt(async (signal) => {
      keepYoungSpaceSmall();
      const events = new Events(options.json === true, ['peer', 'lost', ...WARNED]);
      const onEvent = (event: NodeEvent) => events.on(event);
      const { json, symlinks, name, exclude } = options;
      const how = multicastOf(options);
      await using input = await inputOf(paths, options.name, signal);
      // Whoever may not read it is told before anybody else is met.
      const found = await survey(input.paths, { name, symlinks, exclude, signal });
      await using node = await startMember(options, { onEvent }, signal);
      const why = (member: Member) => events.why(member, node);
      const sending = await sendSource(await readSource(found, signal), {
        ...{ node, signal, ...how },
        wait: options.wait * 1000,
        timeout: options.timeout * 1000,
      });
      const { files } = input;
      if (json) printJson({ event: 'ready', name: node.self.name, address: node.address });
      else
        note(
          `${files.join(', ')}: ${aboutOf(sending)} to ${node.group.members.length - 1} members of ${node.group.name}`,
        );
      for (const path of sending.skipped)
        if (!json) note(`not sent, as it is a symbolic link or a device: ${path}`);
      const report = await followed(sending, node, { json, files, why });
      tell(report, node, { json, files, why });
      const saved = report.receivers.filter(({ state }) => state === 'saved').length;
      if (saved < report.receivers.length) process.exitCode = saved > 0 ? EXIT.partial : EXIT.failed;
    });
  });
}

interface Telling {
  json: boolean | undefined;
  files: string[];
  why: (member: Member) => string;
}

/** Shows how it goes until it is over. */
async function followed(
  sending: FileSending,
  node: Node,
  { json, files, why }: Telling,
): Promise<SendReport> {
  let latest: SendProgress | undefined;
  let isStarted = false;
  const stopReports = json ? reportEvery(node, 200) : () => {};
  const stopWaiting = noteWaiting(() => (latest ? openOf(latest, why) : []), json);
  const bar = createProgress(json ? 'silent' : 'bar', () => {
    if (!latest?.isSending) return [];
    const { bytes: total, receivers } = latest;
    return receivers
      .filter(({ state }) => state !== 'failed' && state !== 'absent')
      .map(({ member, state, bytes }) => ({
        name: member.name,
        done: bytes,
        total: Math.max(1, total),
        ...(state === 'receiving' ? {} : { state }),
      }));
  });
  try {
    for await (const progress of sending) {
      latest = progress;
      if (!json) continue;
      if (progress.isSending && !isStarted) {
        isStarted = true;
        printJson({ event: 'start', files, bytes: progress.bytes, root: sending.root });
      }
      tellJson({ event: 'progress', bytes: progress.bytes, receivers: progress.receivers.map(receiverJson) });
    }
    return await sending.report;
  } catch (error) {
    if (!(error instanceof HeadwaterError && error.code === 'UNREACHABLE') || !latest) throw error;
    throw new HeadwaterError('UNREACHABLE', `${error.message}: ${openOf(latest, why).join(', ')}`);
  } finally {
    stopReports();
    stopWaiting();
    bar.stop();
  }
}

/** Members of which it is not known yet what becomes of the files there, and how they stand. */
function openOf({ receivers, bytes }: SendProgress, why: Telling['why']): string[] {
  const open = receivers.filter(({ state }) => state !== 'saved' && state !== 'failed');
  return open.map((receiver) => `${receiver.member.name} (${standingOf(receiver, bytes, why)})`);
}

function tell(report: SendReport, node: Node, { json, files, why }: Telling): void {
  const { root, bytes, entries, skipped, seconds, receivers } = report;
  const status = node.status();
  const { sentBytes } = status.metrics;
  const ratio = sentBytes / Math.max(1, bytes);
  const named = (state: string) => receivers.filter((receiver) => receiver.state === state);
  const open = receivers.filter(({ state }) => state !== 'saved' && state !== 'failed');
  const reasons = open.map((receiver) => [receiver.member.name, standingOf(receiver, bytes, why)] as const);
  if (json) {
    printJson({
      event: 'sent',
      ...{ files, bytes, entries, root, seconds, ratio, sentBytes, skipped },
      saved: named('saved').map(({ member }) => member.name),
      failed: named('failed').map(({ member, reason }) => ({ name: member.name, reason })),
      missing: open.map(({ member }) => member.name),
      reasons: Object.fromEntries(reasons),
      ...multicastJson(report),
      ...status,
    });
    return;
  }
  for (const file of files) print(`${root}  ${file}`);
  note(
    `${named('saved').length} of ${receivers.length} other members have saved it after ${seconds.toFixed(2)} s; sent ${ratio.toFixed(2)} times its size`,
  );
  for (const { member, reason } of named('failed')) note(`not saved by ${member.name}: ${reason}`);
  for (const [name, reason] of reasons) note(`not saved by ${name}: ${reason}`);
  noteMulticast(report);
  noteTotals(status);
}

function receiverJson({ member, state, bytes, bytesPerSecond, secondsLeft, reason, byMulticast }: Receiver) {
  const rates = state === 'receiving' ? { bytesPerSecond, secondsLeft: secondsLeft ?? null } : {};
  return {
    name: member.name,
    state,
    bytes,
    ...rates,
    ...(byMulticast ? { byMulticast } : {}),
    ...(reason === '' ? {} : { reason }),
  };
}

function standingOf(receiver: Receiver, bytes: number, why: (member: Member) => string): string {
  const share = Math.floor((100 * receiver.bytes) / Math.max(1, bytes));
  switch (receiver.state) {
    case 'absent':
      return receiver.bytes > 0 ? `it has gone, with ${share} % of it` : why(receiver.member);
    case 'receiving':
      return `it has ${share} % of it`;
    case 'verifying':
      return 'it looks at what it has from before';
    default:
      return 'it has not said whether it takes it';
  }
}

function aboutOf({ manifest }: FileSending): string {
  const files = manifest.entries.filter(({ kind }) => kind === 'file').length;
  return `${formatBytes(manifest.bytes)}${manifest.entries.length > 1 ? ` in ${files} files` : ''}`;
}

/** Says who is waited for, and why, once that has taken a while; returns how to stop. */
function noteWaiting(waitedFor: () => string[], json: boolean | undefined): () => void {
  const say = (): boolean => {
    const names = waitedFor();
    if (names.length === 0) return false;
    if (json) tellJson({ event: 'waiting', for: names });
    else note(`waiting for ${names.join(', ')}`);
    return true;
  };
  let timer = setTimeout(function again() {
    timer = setTimeout(again, say() ? WAITING_AGAIN_MS : WAITING_MS);
  }, WAITING_MS);
  return () => clearTimeout(timer);
}

const WAITING_MS = 2000;
const WAITING_AGAIN_MS = 60_000;
