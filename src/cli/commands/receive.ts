/** `headwater receive --out DIR`: a member that saves the files it is sent, and relays like any other. */
import { access, constants } from 'node:fs/promises';
import type { Command } from 'commander';
import { toHex } from '../../core/bytes.js';
import { sha256 } from '../../crypto/hash.js';
import { HeadwaterError } from '../../errors.js';
import { makeFolder, saveFile } from '../../file/disk.js';
import { type Content, unwrap } from '../../file/envelope.js';
import type { Member } from '../../group/group.js';
import type { Delivery, Node, NodeEvent } from '../../node/node.js';
import { WARNED } from '../../node/status/hints.js';
import { Events } from '../events.js';
import {
  EXIT,
  fired,
  formatBytes,
  hand,
  integer,
  note,
  printJson,
  reportError,
  sleep,
  tellJson,
  untilInterrupted,
  withInterrupt,
} from '../io.js';
import { type MemberOptions, memberOptions, noteTotals, reportEvery, startMember } from '../member.js';
import { createProgress } from '../progress.js';
import { Answers, reasonOf } from '../receipts.js';

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
      (options.count === undefined ? untilInterrupted : withInterrupt)(async (signal) => {
        const { json, count = Number.POSITIVE_INFINITY } = options;
        await prepareFolder(options.out);
        const finished = new AbortController();
        let saved = 0;
        let failed = 0;
        // The next one waits until this one is on the disk: files do not pile up in memory.
        const deliver = async (delivery: Delivery) => {
          const content = contentOf(delivery);
          if (content?.kind === 'receipt') return answers.heard(content.receipt.of, delivery.from);
          if (content?.kind === 'message')
            return note(`${delivery.from.name}: a message, not a file; not kept`);
          if (!content) return;
          if (saved + failed >= count) return answers.answer(delivery.id, 'failed', 'it takes no more files');
          try {
            const path = await saveFile(options.out, content.name, content.bytes, {
              overwrite: options.overwrite === true,
            });
            saved++;
            answers.answer(delivery.id, 'saved');
            await tellSaved(delivery.from, path, content.bytes, json === true);
          } catch (error) {
            failed++;
            reportError(error);
            answers.answer(delivery.id, 'failed', reasonOf(error));
          }
          if (saved + failed === count) finished.abort();
        };
        const events = new Events(json === true, ['peer', ...WARNED]);
        const onEvent = (event: NodeEvent) => {
          events.on(event);
          if (event.type === 'peer' && !event.reachable) tellMissing(node, event.member, json === true);
          if (event.type === 'too-large') answers.tooLarge(event.id, options.maxSize);
        };
        await using node = await startMember(options, { deliver, onEvent }, signal);
        const answers = new Answers(node);
        if (json) printJson({ event: 'ready', name: node.self.name, address: node.address });
        else
          note(`${node.self.name} of group ${node.group.name} at ${node.address}, saving to ${options.out}`);
        const stopReports = json ? reportEvery(node, 200) : () => {};
        const progress = createProgress(json ? 'silent' : 'bar', () => {
          const object = node.status().objects.find((candidate) => !candidate.delivered);
          return (
            object && {
              done: Math.min(object.heldSymbols, object.neededSymbols),
              total: object.neededSymbols,
              unit: 'symbols',
            }
          );
        });
        await fired(AbortSignal.any([signal, finished.signal]));
        if (!signal.aborted) {
          if (!json) note('staying until the others know that it is held here');
          await settle(node, answers, signal);
        }
        stopReports();
        progress.stop();
        if (json) printJson({ event: 'end', saved, failed, ...node.status() });
        else noteTotals(node.status());
        if (failed > 0) process.exitCode = EXIT.failed;
        else if (saved < count && options.count !== undefined) process.exitCode = EXIT.interrupted;
      }),
    );
}

/** A file whose sender goes silent may never be whole: that is to be said, and how much of it there is. */
function tellMissing(node: Node, from: Member, json: boolean): void {
  for (const { from: origin, lengthBytes, heldSymbols, neededSymbols, complete } of node.status().objects) {
    if (origin !== from.name || complete) continue;
    const missing = Math.ceil(lengthBytes * Math.max(0, 1 - heldSymbols / neededSymbols));
    if (json) tellJson({ event: 'silent', member: from.name, bytes: lengthBytes, missing });
    else
      note(
        `${from.name} has gone silent: ${formatBytes(missing)} of ${formatBytes(lengthBytes)} are missing, ` +
          'and come once it is back, or from others who have them',
      );
  }
}

/** Now, not when the first file has arrived, is the time to say that it could not be saved. */
async function prepareFolder(path: string): Promise<void> {
  try {
    await makeFolder(path);
    await access(path, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const got = code === 'EEXIST' ? 'something that is no folder' : code;
    throw new HeadwaterError('FILE', `--out: expected a folder to write to, got ${got} at ${path}`, {
      cause,
    });
  }
}

/** What a delivery holds; undefined, and said, if that cannot be told. */
function contentOf({ bytes }: Delivery): Content | undefined {
  try {
    return unwrap(bytes);
  } catch (error) {
    reportError(error);
    return undefined;
  }
}

async function tellSaved(from: Member, path: string, bytes: Uint8Array, json: boolean): Promise<void> {
  const digest = toHex(sha256(bytes));
  if (!json) note(`${formatBytes(bytes.length)} from ${from.name}`);
  const event = { event: 'saved', from: from.name, path, bytes: bytes.length, sha256: digest };
  await hand(json ? JSON.stringify(event) : `${digest}  ${path}`);
}

/** Stays until the others know that we hold what we hold, or for a few seconds: our confirm may be part of their quorum. */
async function settle(node: Node, answers: Answers, signal: AbortSignal): Promise<void> {
  const total = node.group.members.length;
  for (let i = 0; i < MAX_SETTLE_STEPS && !answers.settled && !signal.aborted; i++) await sleep(SETTLE_STEP);
  for (let i = 0; i < SETTLE_STEPS && !signal.aborted; i++) {
    if (
      i >= MIN_SETTLE_STEPS &&
      node.status().objects.every(({ confirmedMembers }) => confirmedMembers === total)
    )
      return;
    await sleep(SETTLE_STEP);
  }
}

const SETTLE_STEP = 100;
const SETTLE_STEPS = 30;
/** Some repeats of our confirm at the least. */
const MIN_SETTLE_STEPS = 10;
/** For others that are slower. */
const MAX_SETTLE_STEPS = 300;
