/** `headwater node`: a member that relays for the group, prints what it delivers, and broadcasts lines from stdin. */
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { toHex } from '../core/bytes.js';
import { sha256 } from '../crypto/hash.js';
import { unwrap, wrapMessage } from '../file/envelope.js';
import type { Delivery } from '../node/node.js';
import { note, print, printJson, reportError, withInterrupt } from './io.js';
import {
  type MemberOptions,
  memberOptions,
  noteTotals,
  reportEvery,
  startMember,
  statusJson,
} from './member.js';

export function nodeCommand(program: Command): void {
  memberOptions(
    program
      .command('node')
      .description('run a member: relay, print deliveries, broadcast each line of stdin as a message'),
  ).action((options: MemberOptions) =>
    withInterrupt(async (signal) => {
      const { json } = options;
      await using node = await startMember(options, {
        deliver: (delivery) => printDelivery(delivery, json === true),
        onEvent: (event) => {
          if (json) printJson({ ...event, event: event.type, type: undefined, member: event.member.name });
          else if (event.type === 'peer')
            note(`${event.member.name} is ${event.reachable ? 'here' : 'gone'}`);
          else note(`${event.member.name} misbehaves: ${event.what}`);
        },
      });
      if (json) printJson({ event: 'ready', name: node.self.name, address: node.address });
      else
        note(
          `${node.self.name} of group ${node.group.name} at ${node.address}; lines from stdin are broadcast`,
        );
      const stopReports = json ? reportEvery(node, 1000) : () => {};

      const lines = createInterface({ input: process.stdin });
      signal.addEventListener('abort', () => lines.close(), { once: true });
      lines.on('line', (line) => {
        node.broadcast(wrapMessage(new TextEncoder().encode(line)), { signal }).then(
          ({ missing }) => {
            if (missing.length > 0) note(`not reached: ${missing.map(({ name }) => name).join(', ')}`);
          },
          (error) => signal.aborted || reportError(error),
        );
      });
      await new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }));
      stopReports();
      if (json) printJson({ event: 'end', ...statusJson(node.status()) });
      else noteTotals(node.status());
    }),
  );
}

function printDelivery({ from, id, bytes }: Delivery, json: boolean): void {
  const base = { event: 'deliver', from: from.name, seq: id.seq, incarnation: id.incarnation };
  try {
    const content = unwrap(bytes);
    const digest = toHex(sha256(content.bytes));
    if (content.kind === 'message') {
      const text = new TextDecoder().decode(content.bytes);
      if (json) printJson({ ...base, text });
      else print(`${from.name}: ${text}`);
    } else if (json) printJson({ ...base, file: content.name, bytes: content.bytes.length, sha256: digest });
    else
      print(`${from.name}: file ${content.name}, ${content.bytes.length} bytes, sha256 ${digest} (not kept)`);
  } catch (error) {
    reportError(error);
  }
}
