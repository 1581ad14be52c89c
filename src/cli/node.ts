/** `headwater node`: a member that relays for the group, prints what it delivers, and broadcasts lines from stdin. */
import { type Command, Option } from 'commander';
import { toHex } from '../core/bytes.js';
import { sha256 } from '../crypto/hash.js';
import { type Content, unwrap } from '../file/envelope.js';
import type { Delivery, NodeEvent } from '../node/node.js';
import { drained, fired, hand, note, printJson, reportError, tellJson, untilInterrupted } from './io.js';
import { Lines } from './lines.js';
import {
  type MemberOptions,
  memberOptions,
  noteTotals,
  reportEvery,
  startMember,
  statusJson,
} from './member.js';
import { Answers } from './receipts.js';

interface NodeCommandOptions extends MemberOptions {
  store?: string;
  order: 'fifo' | 'causal';
}

export function nodeCommand(program: Command): void {
  memberOptions(
    program
      .command('node')
      .description('run a member: relay, print deliveries, broadcast each line of stdin as a message'),
  )
    .option(
      '--store <file>',
      'keep messages in a file, so that nothing is lost when this member stops, however it does; a delivery that was ' +
        'interrupted comes again, with the same incarnation, seq and index (default: memory)',
    )
    .addOption(
      new Option('--order <order>', 'causal: also never before what its sender had delivered')
        .choices(['fifo', 'causal'])
        .default('causal'),
    )
    .action((options: NodeCommandOptions) =>
      untilInterrupted(async (signal) => {
        const { json, order } = options;
        const lines = new Lines();
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
              if (json) tellJson(eventJson(event));
              else note(eventText(event));
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
        if (json) printJson({ event: 'end', ...statusJson(node.status()) });
        else noteTotals(node.status());
      }),
    );
}

function eventJson(event: NodeEvent): object {
  const { type, ...rest } = event;
  const plain: Record<string, unknown> = { event: type, ...rest };
  if ('member' in event) plain.member = event.member?.name;
  if ('lacking' in event) plain.lacking = event.lacking.map(({ name }) => name);
  if ('evidence' in event) plain.evidence = event.evidence?.map(toHex);
  if ('error' in event) plain.error = String(event.error);
  return plain;
}

function eventText(event: NodeEvent): string {
  switch (event.type) {
    case 'peer':
      return `${event.member.name} is ${event.reachable ? 'here' : 'gone'}`;
    case 'misbehaviour':
      return `${event.member.name} misbehaves: ${event.what}`;
    case 'lost':
      return `messages of ${event.member.name} are lost to us: we were away for longer than they were kept, or our store is an old copy`;
    case 'damaged':
      return `the disk has damaged messages of ${event.member.name}: the others are asked for them`;
    case 'overflow':
      return `messages of ${event.member.name} dropped for want of room; ${event.lacking.map(({ name }) => name).join(', ')} lack them`;
    case 'older-run':
      return `an earlier run of ${event.member.name} is refused: its key runs in two places, or its clock was put back`;
    case 'superseded':
      return `${event.member.name} does not let us in: for it a later run with our key counts (the key runs in two places, or our clock was put back)`;
    case 'unheard':
      return `we hear ${event.member.name}, but it does not hear us`;
    case 'other-version':
      return `${event.member.name} runs version ${event.version}`;
    case 'foreign-version':
      return `${event.member.name} seems to speak version ${event.version} of the protocol`;
    case 'foreign-group':
      return `${event.member?.name ?? 'somebody who knows our key'} seems to have another group file`;
    case 'address':
      if ('address' in event) return `${event.member.name} is now at ${event.address} (${event.locator})`;
      if (event.problem === 'unknown-name')
        return `${event.locator} of ${event.member.name} is not known (${event.code}): it is looked up again`;
      return `${event.locator} of ${event.member.name} has IPv6 only, and this member is bound to IPv4 (see --bind)`;
    case 'store-full':
      return event.full ? 'the store is full: nothing more is confirmed' : 'the store has room again';
    case 'store-error':
      return `store: ${event.error.message}`;
    case 'consumer-error':
      return `delivery: ${String(event.error)}`;
  }
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
