/** `headwater receive --out DIR`: a member that saves the files it is sent, and relays like any other. */
import { access, constants, mkdir } from 'node:fs/promises';
import type { Command } from 'commander';
import { toHex } from '../core/bytes.js';
import { sha256 } from '../crypto/hash.js';
import { HeadwaterError } from '../errors.js';
import { saveFile } from '../file/disk.js';
import { unwrap } from '../file/envelope.js';
import type { Delivery, Node } from '../node/node.js';
import { EXIT, formatBytes, integer, note, print, printJson, reportError, withInterrupt } from './io.js';
import {
  type MemberOptions,
  memberOptions,
  noteTotals,
  reportEvery,
  startMember,
  statusJson,
} from './member.js';
import { createProgress } from './progress.js';

interface ReceiveOptions extends MemberOptions {
  out: string;
  count?: number;
  overwrite?: boolean;
}

export function receiveCommand(program: Command): void {
  memberOptions(
    program.command('receive').description('save files that members of the group send; relay meanwhile'),
  )
    .requiredOption('-o, --out <dir>', 'folder to save to; made if it is missing')
    .option('-c, --count <n>', 'exit after so many files (default: run until interrupted)', integer(1, 1e9))
    .option('--overwrite', 'replace files that exist')
    .action((options: ReceiveOptions) =>
      withInterrupt(async (signal) => {
        const { json } = options;
        await prepareFolder(options.out);
        const finished = new AbortController();
        let saved = 0;
        let failed = 0;
        let saving = Promise.resolve();
        const deliver = (delivery: Delivery) => {
          saving = saving.then(async () => {
            if (!(await save(delivery, options))) failed++;
            else saved++;
            if (saved + failed === options.count) finished.abort();
          });
        };
        await using node = await startMember(options, { deliver });
        if (json) printJson({ event: 'ready', name: node.self.name, address: node.address });
        else
          note(`${node.self.name} of group ${node.group.name} at ${node.address}, saving to ${options.out}`);
        const stopReports = json ? reportEvery(node, 200) : () => {};
        const progress = createProgress(json ? 'silent' : 'bar', () => {
          const object = node.status().objects.find((candidate) => !candidate.delivered);
          return (
            object && { done: Math.min(object.held, object.needed), total: object.needed, unit: 'symbols' }
          );
        });
        await ended(AbortSignal.any([signal, finished.signal]));
        await saving;
        if (!signal.aborted) {
          if (!json) note('staying until the others know that it is held here');
          await settle(node, signal);
        }
        stopReports();
        progress.stop();
        if (json) printJson({ event: 'end', saved, failed, ...statusJson(node.status()) });
        else noteTotals(node.status());
        if (failed > 0) process.exitCode = EXIT.failed;
        else if (options.count !== undefined && saved < options.count) process.exitCode = EXIT.interrupted;
      }),
    );
}

/** Now, not when the first file has arrived, is the time to say that it could not be saved. */
async function prepareFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
    await access(path, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const got = code === 'EEXIST' ? 'something that is no folder' : code;
    throw new HeadwaterError('FILE', `--out: expected a folder to write to, got ${got} at ${path}`, {
      cause,
    });
  }
}

async function save({ from, bytes }: Delivery, { out, overwrite, json }: ReceiveOptions): Promise<boolean> {
  try {
    const content = unwrap(bytes);
    if (content.kind !== 'file') {
      note(`${from.name}: a message, not a file; not kept`);
      return true;
    }
    const path = await saveFile(out, content.name, content.bytes, { overwrite: overwrite === true });
    const digest = toHex(sha256(content.bytes));
    if (json)
      printJson({ event: 'saved', from: from.name, path, bytes: content.bytes.length, sha256: digest });
    else {
      print(`${digest}  ${path}`);
      note(`${formatBytes(content.bytes.length)} from ${from.name}`);
    }
    return true;
  } catch (error) {
    reportError(error);
    return false;
  }
}

/** Stays until the others know that we hold what we hold, or for a few seconds: our confirm may be part of their quorum. */
async function settle(node: Node, signal: AbortSignal): Promise<void> {
  const total = node.group.members.length;
  for (let i = 0; i < SETTLE_STEPS && !signal.aborted; i++) {
    if (i >= MIN_SETTLE_STEPS && node.status().objects.every(({ confirmed }) => confirmed === total)) return;
    await new Promise((done) => setTimeout(done, SETTLE_STEP));
  }
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done(), { once: true });
  });
}

const SETTLE_STEP = 100;
const SETTLE_STEPS = 30;
/** Some repeats of our confirm at the least. */
const MIN_SETTLE_STEPS = 10;
