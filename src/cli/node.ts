/** `headwater node`: a member that relays for the group, prints what it delivers, and broadcasts lines from stdin. */
import { type Command, Option } from 'commander';
import { toHex } from '../core/bytes.js';
import { sha256 } from '../crypto/hash.js';
import { unwrap } from '../file/envelope.js';
import type { Delivery, NodeEvent } from '../node/node.js';
import { note, print, printable, printJson, reportError, withInterrupt } from './io.js';
import { Lines } from './lines.js';
import {
  type MemberOptions,
  memberOptions,
  noteTotals,
  reportEvery,
  startMember,
  statusJson,
} from './member.js';

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
      withInterrupt(async (signal) => {
        const { json, order } = options;
        const lines = new Lines();
        await using node = await startMember(options, {
          order,
          storePath: options.store,
          onRecovered: (moved) => {
            if (json) printJson({ event: 'store-recovered', moved });
            else note(`the store was damaged: it is kept as ${moved}, and begun anew`);
          },
          deliver: (delivery) => {
            printDelivery(delivery, json === true);
            if (delivery.from === node.self) lines.done();
          },
          onEvent: (event) => {
            if (event.type === 'lost' && event.member === node.self) lines.forget();
            if (json) printJson(eventJson(event));
            else note(eventText(event));
          },
        });
        if (json) printJson({ event: 'ready', name: node.self.name, address: node.address });
        else
          note(
            `${node.self.name} of group ${node.group.name} at ${node.address}; lines from stdin are broadcast`,
          );
        const stopReports = json ? reportEvery(node, 1000) : () => {};

        await Promise.all([
          lines.broadcast(process.stdin, node, signal),
          new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true })),
        ]);
        stopReports();
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
    case 'store-full':
      return event.full ? 'the store is full: nothing more is confirmed' : 'the store has room again';
    case 'store-error':
      return `store: ${event.error.message}`;
    case 'consumer-error':
      return `delivery: ${String(event.error)}`;
  }
}

function printDelivery({ from, id, bytes }: Delivery, json: boolean): void {
  const { incarnation, seq, index } = id;
  const base = { event: 'deliver', from: from.name, incarnation, seq, index };
  try {
    const content = unwrap(bytes);
    const digest = toHex(sha256(content.bytes));
    if (content.kind === 'message') {
      const text = new TextDecoder().decode(content.bytes);
      if (json) printJson({ ...base, text });
      else print(`${from.name}: ${printable(text)}`);
    } else if (json) printJson({ ...base, file: content.name, bytes: content.bytes.length, sha256: digest });
    else
      print(
        `${from.name}: file ${printable(content.name)}, ${content.bytes.length} bytes, sha256 ${digest} (not kept)`,
      );
  } catch (error) {
    reportError(error);
  }
}
