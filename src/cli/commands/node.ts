/** `headwater node`: a member that relays for the group, prints what it delivers, and broadcasts lines from stdin. */

import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { MESSAGE_HEADER, unwrapMessage } from '../../file/envelope.js';
import type { Chain } from '../../group/epochs/chain.js';
import { parseChain } from '../../group/epochs/file.js';
import type { Member } from '../../group/group.js';
import type { Delivery, Node } from '../../node/node.js';
import { WARNED } from '../../node/status/hints.js';
import { PROMETHEUS_CONTENT_TYPE } from '../../node/status/prometheus.js';
import { SETTINGS, type Settings } from '../../options.js';
import { controlPathOf, openControl } from '../control.js';
import { Events } from '../events.js';
import { type HttpServer, refusePages, serveHttp } from '../http.js';
import { checkGroup, groupPathOf, readKey } from '../identity.js';
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
import { adopt, askEpochs } from '../lifecycle/adopt.js';
import { takeLeave } from '../lifecycle/leaving.js';
import { Terms } from '../lifecycle/terms.js';
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
        setLogLevel(options.logLevel);
        const terms = new Terms(`${process.pid}-${Date.now()}`);
        const lines = new Lines(options.maxSize * MIB);
        let ended: Promise<unknown> | undefined;
        // A member that cannot start reads nothing, and does not keep the process.
        const read = () => {
          ended ??= Promise.all([lines.broadcast(process.stdin, terms, signal), fired(signal)]);
          return ended;
        };
        try {
          for (let isToGoOn = true; isToGoOn; )
            isToGoOn = await runMember(options, { terms, lines, read }, signal);
        } catch (error) {
          if (ended) process.stdin.destroy();
          throw error;
        }
      });
    });
}

interface Running {
  terms: Terms;
  lines: Lines;
  /** Begins to read the input, once; resolves when that has ended, and the process is to. */
  read(): Promise<unknown>;
}

/** A member until the process is to end, or it has a group file that goes on from the one it began with: then true. */
async function runMember(
  options: NodeCommandOptions,
  { terms, lines, read }: Running,
  signal: AbortSignal,
): Promise<boolean> {
  const { json, order, logLevel } = options;
  const events = new Events(json === true, WARNED);
  let page: LivePage | undefined;
  let follow = (_member: Member, _epoch: number) => {};
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
        if (!terms.isNew(delivery.id)) return undefined;
        const done = () => {
          if (delivery.from.index === node.self.index) lines.done();
        };
        const handed = printDelivery(delivery, json === true);
        return handed ? handed.then(done) : done();
      },
      onEvent: (event) => {
        if (event.type === 'lost' && event.member === node.self) lines.forget();
        if (event.type === 'epoch-unknown') follow(event.member, event.epoch);
        events.on(event);
        page?.onEvent(event);
      },
    },
    signal,
  );
  let goOn = () => {};
  const again = new Promise<boolean>((resolve) => {
    goOn = () => resolve(true);
  });
  const take = (chain: Chain) => {
    adopt(groupPathOf(options), node.group, chain);
    // Who has given it is answered first.
    setTimeout(goOn, ANSWER_MS);
  };
  const knowing = new Set<Member>();
  let isAsking = false;
  follow = async (known, epoch) => {
    // Another descriptor in the place of ours: that is for operators to settle.
    if (epoch < node.group.epochs!.length) return;
    knowing.add(known);
    if (isAsking) return;
    isAsking = true;
    try {
      const { seed } = await readKey(options.key);
      const chain = await askEpochs(node, knowing, seed);
      if (chain) take(chain);
    } catch (error) {
      reportError(error);
    }
    knowing.clear();
    isAsking = false;
  };
  if (options.page) page = await openLivePage(node, options.page);
  const log = new RunningLog(node, logLevel, json === true);
  const servers = [...(page ? [page] : []), ...(await openServers(options, node, log, take))];
  const { self, group, address } = node;
  if (json) printJson({ event: 'ready', name: self.name, address, ...(page && { page: page.url }) });
  else {
    note(`${self.name} of group ${group.name} at ${address}; lines from stdin are broadcast`);
    if (page) note(`the page: ${page.url}`);
  }
  const stopReports = json ? reportEvery(node, 1000) : () => {};
  terms.begin(node);

  const isToGoOn = await Promise.race([again, read().then(() => false)]);
  stopReports();
  if (isToGoOn) terms.pause();
  else await takeLeave(node);
  log.close();
  await Promise.all(servers.map((server) => server.close()));
  if (isToGoOn) return true;
  // What is with the reader should not come again.
  await drained(GRACE_MS);
  if (json) printJson({ event: 'end', ...node.status() });
  else noteTotals(node.status());
  return false;
}

/** Reads a group file that is given to a running member; what is against it, if anything is. */
function taking(take: (chain: Chain) => void): (file: string) => string | undefined {
  return (file) => {
    try {
      take(parseChain(readFileSync(file, 'utf8'), `group file ${file}`));
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
}

/** The control socket and the metrics, as far as they are wanted. A control socket that nobody asked for is none to fail for. */
async function openServers(
  options: NodeCommandOptions,
  node: Node,
  log: RunningLog,
  take: (chain: Chain) => void,
): Promise<HttpServer[]> {
  const give = node.group.epochs && taking(take);
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
  if (options.control !== undefined) servers.push(await openControl(options.control, node, log, give));
  else if (options.store !== undefined && process.platform !== 'win32')
    await openControl(controlPathOf(options.store), node, log, give).then(
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
const ANSWER_MS = 20;
