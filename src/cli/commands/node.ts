/** `headwater node`: a member that relays for the group, prints what it delivers, and broadcasts lines from stdin. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { toHex } from '../../core/bytes.js';
import { sha256 } from '../../crypto/hash.js';
import { type Content, unwrap } from '../../file/envelope.js';
import { parseLocator } from '../../group/locator.js';
import type { Delivery, Node } from '../../node/node.js';
import { WARNED } from '../../node/status/hints.js';
import { PROMETHEUS_CONTENT_TYPE } from '../../node/status/prometheus.js';
import { SETTINGS, type Settings } from '../../options.js';
import { controlPathOf, openControl } from '../control.js';
import { Events } from '../events.js';
import { type HttpServer, serveHttp } from '../http.js';
import { drained, fired, hand, note, printJson, reportError, untilInterrupted } from '../io.js';
import { Lines } from '../lines.js';
import { type MemberOptions, memberOptions, noteTotals, reportEvery, startMember } from '../member.js';
import { Answers } from '../receipts.js';

type Metrics = { host: string; port: number };

interface NodeCommandOptions extends MemberOptions {
  store?: string;
  control?: string;
  metrics?: Metrics;
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
    .option(
      '--control <file>',
      'Unix socket by which `status`, `peers` and `drops` ask this member (default: beside the store, FILE-control)',
    )
    .option('--metrics <address>', 'answer GET /metrics for Prometheus at host:port', metricsAddress)
    .addOption(
      new Option('--order <order>', 'causal: also never before what its sender had delivered')
        .choices(SETTINGS.order.choices)
        .default(SETTINGS.order.default),
    )
    .action((options: NodeCommandOptions) =>
      untilInterrupted(async (signal) => {
        const { json, order } = options;
        const lines = new Lines(options.maxSize * 1024 * 1024);
        const events = new Events(json === true, WARNED);
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
        const servers = await openServers(options, node);
        if (json) printJson({ event: 'ready', name: node.self.name, address: node.address });
        else
          note(
            `${node.self.name} of group ${node.group.name} at ${node.address}; lines from stdin are broadcast`,
          );
        const stopReports = json ? reportEvery(node, 1000) : () => {};

        await Promise.all([lines.broadcast(process.stdin, node, signal), fired(signal)]);
        stopReports();
        await Promise.all(servers.map((server) => server.close()));
        // What is with the reader should not come again.
        await drained(GRACE_MS);
        if (json) printJson({ event: 'end', ...node.status() });
        else noteTotals(node.status());
      }),
    );
}

function metricsAddress(text: string): Metrics {
  try {
    return parseLocator(text);
  } catch {
    throw new InvalidArgumentError(`expected host:port, got ${text}.`);
  }
}

/** The control socket and the metrics, as far as they are wanted. A control socket that nobody asked for is none to fail for. */
async function openServers(options: NodeCommandOptions, node: Node): Promise<HttpServer[]> {
  const servers: HttpServer[] = [];
  if (options.metrics)
    servers.push(
      await serveHttp('metrics', options.metrics, {
        '/metrics': { type: PROMETHEUS_CONTENT_TYPE, text: () => node.metrics() },
      }),
    );
  if (options.control !== undefined) servers.push(await openControl(options.control, node));
  else if (options.store !== undefined && process.platform !== 'win32')
    await openControl(controlPathOf(options.store), node).then(
      (server) => servers.push(server),
      (error) => note(`${(error as Error).message}: nobody can ask this member (see --control)`),
    );
  return servers;
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
