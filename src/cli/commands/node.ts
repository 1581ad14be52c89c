/** `headwater node`: a member that relays for the group, prints what it delivers, and broadcasts lines from stdin. */

import { type Command, Option } from 'commander';
import { toHex } from '../../core/bytes.js';
import { sha256 } from '../../crypto/hash.js';
import { type Content, unwrap } from '../../file/envelope.js';
import type { Delivery } from '../../node/node.js';
import { SETTINGS, type Settings } from '../../options.js';
import { Events } from '../events.js';
import { drained, fired, hand, note, printJson, reportError, untilInterrupted } from '../io.js';
import { Lines } from '../lines.js';
import {
  type MemberOptions,
  memberOptions,
  noteTotals,
  reportEvery,
  startMember,
  statusJson,
} from '../member.js';
import { Answers } from '../receipts.js';

interface NodeCommandOptions extends MemberOptions {
  store?: string;
  order: Settings['order'];
}

export function nodeCommand(program: Command): void {
  memberOptions(
    program
      .command('node')
      .description('run a member: relay, print deliveries, broadcast each line of stdin as a message'),
  )
    .option(
      '--store <file>',
      'keep messages in a file, which is made if it is not there, in a folder that is; nothing is lost then when this ' +
        'member stops, however it does; a delivery that was interrupted comes again, with the same incarnation, seq ' +
        'and index (default: memory)',
    )
    .addOption(
      new Option('--order <order>', 'causal: also never before what its sender had delivered')
        .choices(SETTINGS.order.choices)
        .default(SETTINGS.order.default),
    )
    .action((options: NodeCommandOptions) =>
      untilInterrupted(async (signal) => {
        const { json, order } = options;
        const lines = new Lines(options.maxSize * 1024 * 1024);
        const events = new Events(json === true);
        await using node = await startMember(
          options,
          {
            order,
            storePath: options.store,
            onRecovered: (moved) => {
              if (json) printJson({ event: 'store-recovered', moved });
              else note(`the store was damaged: it is kept as ${moved}, and begun anew`);
            },
            deliver: (delivery) => {
              const done = () => {
                if (delivery.from === node.self) lines.done();
              };
              const handed = printDelivery(delivery, json === true, answers);
              return handed ? handed.then(done) : done();
            },
            onEvent: (event) => {
              if (event.type === 'lost' && event.member === node.self) lines.forget();
              events.on(event);
              if (event.type === 'too-large') answers.tooLarge(event.id, options.maxSize);
            },
          },
          signal,
        );
        const answers = new Answers(node);
        if (json) printJson({ event: 'ready', name: node.self.name, address: node.address });
        else
          note(
            `${node.self.name} of group ${node.group.name} at ${node.address}; lines from stdin are broadcast`,
          );
        const stopReports = json ? reportEvery(node, 1000) : () => {};

        await Promise.all([lines.broadcast(process.stdin, node, signal), fired(signal)]);
        stopReports();
        // What is with the reader should not come again.
        await drained(GRACE_MS);
        if (json) printJson({ event: 'end', ...statusJson(node.status(), node.group.members) });
        else noteTotals(node.status());
      }),
    );
}

/** Done when the reader has it: a member that is killed before delivers it again. */
function printDelivery(
  { from, id, bytes }: Delivery,
  json: boolean,
  answers: Answers,
): Promise<void> | undefined {
  const { incarnation, seq, index } = id;
  const base = { event: 'deliver', from: from.name, incarnation, seq, index };
  let content: Content;
  try {
    content = unwrap(bytes);
  } catch (error) {
    reportError(error);
    return undefined;
  }
  if (content.kind === 'message') {
    const text = new TextDecoder().decode(content.bytes);
    return hand(json ? JSON.stringify({ ...base, text }) : `${from.name}: ${text}`);
  }
  if (content.kind === 'receipt') return undefined;
  answers.answer(id, 'held');
  const { name } = content;
  const { length } = content.bytes;
  const digest = toHex(sha256(content.bytes));
  return hand(
    json
      ? JSON.stringify({ ...base, file: name, bytes: length, sha256: digest })
      : `${from.name}: file ${name}, ${length} bytes, sha256 ${digest} (not kept)`,
  );
}

/** A reader that is there takes what is under way in this time. */
const GRACE_MS = 500;
