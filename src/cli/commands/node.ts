/** `headwater node`: a member that relays for the group, prints what it delivers, and broadcasts lines from stdin. */

import { type Command, Option } from 'commander';
import { MESSAGE_HEADER, unwrapMessage } from '../../file/envelope.js';
import type { Delivery, Node } from '../../node/node.js';
import { WARNED } from '../../node/status/hints.js';
import { PROMETHEUS_CONTENT_TYPE } from '../../node/status/prometheus.js';
import { SETTINGS, type Settings } from '../../options.js';
import { controlPathOf, openControl } from '../control.js';
import { Events } from '../events.js';
import { type HttpServer, refusePages, serveHttp } from '../http.js';
import { checkGroup } from '../identity.js';
import {
  drained,
  fired,
  hand,
  integer,
  note,
  printJson,
  reportError,
  setLogLevel,
  untilInterrupted,
} from '../io.js';
import { takeLeave } from '../lifecycle/leaving.js';
import { Lines } from '../lines.js';
import { LOG_LEVELS, type LogLevel } from '../logging/level.js';
import { RunningLog } from '../logging/running.js';
import { type MemberOptions, memberOptions, noteTotals, reportEvery, startMember } from '../member.js';
import { type Address, httpAddress } from '../page/address.js';
import { type LivePage, openLivePage } from '../page/live.js';

interface NodeCommandOptions extends MemberOptions {
  maxSize: number;
  store?: string;
  control?: string;
  metrics?: Address;
  page?: Address;
  logLevel: LogLevel;
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
      'Unix socket by which `status`, `top`, `log-level` and others ask this member (default: beside the store, FILE-control)',
    )
    .option('--metrics <address>', 'answer GET /metrics for Prometheus at host:port', httpAddress)
    .option('--page <address>', 'serve a live page for a browser at host:port', httpAddress)
    .option(
      '--max-size <mib>',
      'MiB that a message may have',
      integer(1, 1024),
      SETTINGS.maxMessageSize.default / MIB,
    )
    .addOption(
      new Option('--order <order>', 'causal: also never before what its sender had delivered')
        .choices(SETTINGS.order.choices)
        .default(SETTINGS.order.default),
    )
    .addOption(
      new Option('--log-level <level>', 'how much is said on stderr; `headwater log-level` changes it')
        .env('HEADWATER_LOG_LEVEL')
        .choices(LOG_LEVELS)
        .default('info'),
    )
    .action((options: NodeCommandOptions, command: Command) => {
      checkGroup(command);
      return untilInterrupted(async (signal) => {
        const { json, order, logLevel } = options;
        setLogLevel(logLevel);
        const lines = new Lines(options.maxSize * MIB);
        const events = new Events(json === true, WARNED);
        let page: LivePage | undefined;
        await using node = await startMember(
          options,
          {
            order,
            maxMessageSize: options.maxSize * MIB + MESSAGE_HEADER,
            storePath: options.store,
            onRecovered: (moved) => {
              if (json) printJson({ event: 'store-recovered', moved });
              else note(`the store was damaged: it is kept as ${moved}, and begun anew`, 'warning');
            },
            deliver: (delivery) => {
              const done = () => {
                if (delivery.from === node.self) lines.done();
              };
              const handed = printDelivery(delivery, json === true);
              return handed ? handed.then(done) : done();
            },
            onEvent: (event) => {
              if (event.type === 'lost' && event.member === node.self) lines.forget();
              events.on(event);
              page?.onEvent(event);
            },
          },
          signal,
        );
        if (options.page) page = await openLivePage(node, options.page);
        const log = new RunningLog(node, logLevel, json === true);
        const servers = [...(page ? [page] : []), ...(await openServers(options, node, log))];
        const { self, group, address } = node;
        if (json) printJson({ event: 'ready', name: self.name, address, ...(page && { page: page.url }) });
        else {
          note(`${self.name} of group ${group.name} at ${address}; lines from stdin are broadcast`);
          if (page) note(`the page: ${page.url}`);
        }
        const stopReports = json ? reportEvery(node, 1000) : () => {};

        await Promise.all([lines.broadcast(process.stdin, node, signal), fired(signal)]);
        stopReports();
        await takeLeave(node);
        log.close();
        await Promise.all(servers.map((server) => server.close()));
        // What is with the reader should not come again.
        await drained(GRACE_MS);
        if (json) printJson({ event: 'end', ...node.status() });
        else noteTotals(node.status());
      });
    });
}

/** The control socket and the metrics, as far as they are wanted. A control socket that nobody asked for is none to fail for. */
async function openServers(options: NodeCommandOptions, node: Node, log: RunningLog): Promise<HttpServer[]> {
  const servers: HttpServer[] = [];
  if (options.metrics)
    servers.push(
      await serveHttp(
        'metrics',
        options.metrics,
        { '/metrics': { type: PROMETHEUS_CONTENT_TYPE, text: () => node.metrics() } },
        { refuse: refusePages },
      ),
    );
  if (options.control !== undefined) servers.push(await openControl(options.control, node, log));
  else if (options.store !== undefined && process.platform !== 'win32')
    await openControl(controlPathOf(options.store), node, log).then(
      (server) => servers.push(server),
      (error) => note(`${(error as Error).message}: nobody can ask this member (see --control)`, 'warning'),
    );
  return servers;
}

/** Done when the reader has it: a member that is killed before delivers it again. */
function printDelivery({ from, id, bytes }: Delivery, json: boolean): Promise<void> | undefined {
  const { incarnation, seq, index } = id;
  try {
    const text = new TextDecoder().decode(unwrapMessage(bytes));
    const event = { event: 'deliver', from: from.name, incarnation, seq, index, text };
    return hand(json ? JSON.stringify(event) : `${from.name}: ${text}`);
  } catch (error) {
    reportError(error);
    return undefined;
  }
}

const MIB = 1024 * 1024;
/** A reader that is there takes what is under way in this time. */
const GRACE_MS = 500;
