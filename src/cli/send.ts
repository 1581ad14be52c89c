/** `headwater send FILE`: broadcasts one file to the group and waits for the members' confirms. */
import type { Command } from 'commander';
import { toHex } from '../core/bytes.js';
import { sha256 } from '../crypto/hash.js';
import { HeadwaterError } from '../errors.js';
import { readFileToSend } from '../file/disk.js';
import { wrapFile } from '../file/envelope.js';
import type { Node } from '../node/node.js';
import { EXIT, formatBytes, note, number, print, printJson, withInterrupt } from './io.js';
import {
  type MemberOptions,
  memberOptions,
  noteTotals,
  reportEvery,
  startMember,
  statusJson,
} from './member.js';
import { createProgress } from './progress.js';

interface SendOptions extends MemberOptions {
  wait: number;
  timeout: number;
}

export function sendCommand(program: Command): void {
  memberOptions(
    program
      .command('send')
      .description('broadcast a file to the group; exit 0 if all members confirm, 3 if only a quorum does')
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
      withInterrupt(async (interrupted) => {
        const { name, bytes } = await readFileToSend(file, options.maxSize * 1024 * 1024);
        const timeout = AbortSignal.timeout(options.timeout * 1000);
        const signal = AbortSignal.any([interrupted, timeout]);
        await using node = await startMember(options, {});
        try {
          await sendFile(node, name, bytes, options, signal);
        } catch (error) {
          if (!timeout.aborted || interrupted.aborted) throw error;
          throw new HeadwaterError(
            'UNREACHABLE',
            `send: expected confirms from ${node.group.quorum} members within ${options.timeout} s, got too few`,
          );
        }
      }),
    );
}

async function sendFile(
  node: Node,
  name: string,
  bytes: Uint8Array,
  options: SendOptions,
  signal: AbortSignal,
) {
  const { json } = options;
  const { group } = node;
  const digest = toHex(sha256(bytes));
  if (json) printJson({ event: 'ready', name: node.self.name, address: node.address });
  else note(`${name}: ${formatBytes(bytes.length)} to ${group.members.length - 1} members of ${group.name}`);
  await reachGroup(node, options.wait, signal);

  const started = performance.now();
  if (json) printJson({ event: 'start', file: name, bytes: bytes.length, sha256: digest });
  const stopReports = json ? reportEvery(node, 200) : () => {};
  const progress = createProgress(json ? 'silent' : 'bar', () => {
    const [object] = node.status().objects;
    return object && { done: object.confirmed - 1, total: group.members.length - 1, unit: 'members' };
  });
  let result: Awaited<ReturnType<Node['broadcast']>>;
  try {
    result = await node.broadcast(wrapFile(name, bytes), { signal });
  } finally {
    stopReports();
    progress.stop();
  }
  const seconds = (performance.now() - started) / 1000;
  const status = node.status();
  const ratio = status.metrics.sentBytes / bytes.length;
  const names = (members: readonly { name: string }[]) => members.map((member) => member.name);
  const summary = {
    file: name,
    bytes: bytes.length,
    sha256: digest,
    seconds,
    sentBytes: status.metrics.sentBytes,
    ratio,
  };
  const confirmed = names(result.confirmed);
  const missing = names(result.missing);
  if (json) printJson({ event: 'sent', ...summary, confirmed, missing, ...statusJson(status) });
  else {
    print(`${digest}  ${name}`);
    note(
      `${confirmed.length} other members hold it after ${seconds.toFixed(2)} s; sent ${ratio.toFixed(2)} times its size`,
    );
    if (missing.length > 0) note(`not reached: ${missing.join(', ')}`);
    noteTotals(status);
  }
  if (missing.length > 0) process.exitCode = EXIT.partial;
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
