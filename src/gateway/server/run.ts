/** Etcd's command as a process: from its command line to its end. */
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../core/time.js';
import { HeadwaterError } from '../../errors.js';
import { parseLocator } from '../../group/locator.js';
import { fired } from '../../node/aborts.js';
import { monotonic } from '../../node/clock.js';
import type { NodeStatus } from '../../node/status/shape.js';
import { groupOf, locatorOf } from '../cluster/cluster.js';
import type { TrustEvent } from '../cluster/trust.js';
import { Reach } from '../reach.js';
import { LogWriter } from './disk/writer.js';
import { teller, tellTrust } from './events.js';
import { type Flags, HELP, parseFlags } from './flags.js';
import { type GrpcServer, startGrpc } from './grpc.js';
import { HeapBounds } from './heap.js';
import { saveKeys } from './keys.js';
import { type Logger, stderrLogger } from './logger.js';
import { GroupMember } from './member.js';
import { Durations, gatewayMetrics, type MetricsSources } from './metrics.js';
import { openParts, untilFree } from './parts.js';
import { API_VERSION, type Services, servicesOf } from './services.js';

/** What the command line gives it. */
export interface EtcdContext {
  env: NodeJS.ProcessEnv;
  /** Of this package. */
  version: string;
  pages: Pages;
}

/** How it lets others look at it. */
export interface Pages {
  /** `/metrics` and `/health`. */
  metrics(
    where: { host: string; port: number },
    text: () => string,
    isWell: () => boolean,
  ): Promise<Closable>;
  /** By the control socket of a store. */
  control(store: string, member: { status(): NodeStatus; metrics(): string }): Promise<Closable>;
}

interface Closable {
  close(): Promise<void>;
}

/**
 * Runs until it is told to stop, or its parent is gone. Says nothing on stdout, which belongs to whoever has started it.
 *
 * @returns the exit code
 */
export async function runEtcd(argv: readonly string[], context: EtcdContext): Promise<number> {
  const { env, version } = context;
  const stop = new AbortController();
  const logger = stderrLogger(() => stop.abort('nobody reads its log'));
  watchEnd(stop);
  let gateway: RunningGateway | undefined;
  try {
    const command = parseFlags(argv, env);
    if (command.do !== 'run') {
      process.stdout.write(
        command.do === 'help' ? `${HELP}\n` : `etcd Version: ${API_VERSION}+headwater.${version}\n`,
      );
      return 0;
    }
    gateway = await start(command.flags, context, logger, stop);
    await fired(stop.signal);
  } catch (error) {
    if (!stop.signal.aborted || error !== stop.signal.reason) {
      logger.last('fatal', `etcd: ${(error as Error).message}`, { code: (error as HeadwaterError).code });
      await gateway?.close().catch(() => {});
      return error instanceof HeadwaterError && error.code === 'INVALID_ARGUMENT' ? 2 : 1;
    }
  }
  const { reason } = stop.signal;
  await gateway?.close();
  if (typeof reason !== 'string') {
    logger.last('fatal', `etcd: ${(reason as Error).message}`, { code: (reason as HeadwaterError).code });
    return 1;
  }
  logger.last('info', `etcd: stopped: ${reason}`);
  return 0;
}

interface RunningGateway {
  close(): Promise<void>;
}

async function start(
  flags: Flags,
  { env, version, pages }: EtcdContext,
  logger: Logger,
  stop: AbortController,
): Promise<RunningGateway> {
  const bind = locatorOf(flags.listenPeerUrl, 'listen-peer-urls');
  const client = parseLocator(locatorOf(flags.listenClientUrl, 'listen-client-urls'));
  const parts = await openParts(flags, env, logger);
  const { cluster, keys, trust, store, log, journal, gateway, membersPath, storePath } = parts;
  const group = () => groupOf(cluster, trust.keys);
  let grpc: GrpcServer | undefined;
  let services: Services | undefined;
  let timer: NodeJS.Timeout | undefined;
  let timerAt: Micros = NEVER;
  let isDue = false;
  const delivering: (() => void)[] = [];
  const durations = new Durations();
  const tell = teller(logger, () => gateway.isWaiting);
  const writer = new LogWriter({
    gateway,
    journal,
    log,
    onKept: () => {
      services?.pump();
      answer();
    },
    onCommit: (seconds) => durations.commit.observe(seconds),
    onError: (error) =>
      logger.rarely(REPEAT_MS, 'error', 'the log of revisions could not be written', {
        error: error.message,
      }),
  });
  const answer = () => {
    for (let next = gateway.pollAnswer(); next; next = gateway.pollAnswer())
      if ('response' in next) grpc?.answer(next.call, next.response);
      else grpc?.fail(next.call, next.failure);
    if (!gateway.isBusy) for (const done of delivering.splice(0)) done();
  };
  /** Does what the gateway and the exchange of keys want done. */
  const carryOut = () => {
    const now = monotonic();
    for (let next = gateway.pollSubmission(); next; next = gateway.pollSubmission())
      member.submit(next.tag, next.bytes);
    answer();
    for (let next = trust.pollTransmit(); next; next = trust.pollTransmit()) member.send(next.to, next.bytes);
    for (let event = trust.pollEvent(); event; event = trust.pollEvent()) onTrust(event);
    writer.wake();
    const at = Math.min(gateway.nextTimeout(), trust.nextTimeout(), reach.nextTimeout(), now + MAX_WAIT);
    // One that fires too early does no harm.
    if (timer && timerAt <= at) return;
    clearTimeout(timer);
    timerAt = at;
    timer = setTimeout(onTimer, Math.max(1, Math.ceil((at - now) / MILLISECOND)));
  };
  /** The same for all that comes in one turn of the event loop. */
  const carryOutSoon = () => {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      carryOut();
    });
  };
  const onTimer = () => {
    timer = undefined;
    gateway.handleTimeout(monotonic(), Date.now());
    trust.handleTimeout(monotonic());
    reach.handleTimeout(monotonic());
    carryOut();
  };
  const others = [...cluster.members.keys()].filter((index) => index !== cluster.self);
  const reach = new Reach(others, (index, isReachable) => {
    gateway.handleReachable(monotonic(), index, isReachable);
    trust.handleReachable(monotonic(), index, isReachable);
  });
  const member = new GroupMember({
    storePath,
    publicKey: keys.publicKey,
    seed: parts.seed,
    bind,
    deliver({ id, bytes }) {
      gateway.handleMessage(monotonic(), { id, bytes, time: Date.now() });
      carryOutSoon();
      return gateway.isBusy ? new Promise((done) => delivering.push(done)) : undefined;
    },
    onEvent(event) {
      if (event.type === 'peer') reach.onPeer(event.member.index, event.reachable);
      if (event.type === 'begun-anew') gateway.handleLost();
      tell(event);
      carryOut();
    },
    onStart: () => reach.onStart(monotonic()),
    onDatagram(from, bytes) {
      const isOurs = trust.handleDatagram(monotonic(), from, bytes);
      if (isOurs) carryOut();
      return isOurs;
    },
    onSubmitted(tag, id) {
      gateway.handleSubmitted(tag, id);
      carryOutSoon();
    },
    progress: writer,
    onCommit: (seconds) => durations.sync.observe(seconds),
  });

  let restart: NodeJS.Timeout | undefined;
  const onTrust = (event: TrustEvent) => {
    tellTrust(logger, cluster, membersPath, event);
    if (event.type === 'rejected' && event.isCertain && parts.isNew && !flags.isExisting)
      stop.abort(
        new HeadwaterError(
          'INVALID_CONFIG',
          `member ${cluster.members[cluster.self].name} has already been bootstrapped: ` +
            `${event.by} members know it by another key than that made now in ${flags.dataDir}`,
        ),
      );
    if (event.type !== 'learned') return;
    saveKeys(membersPath, cluster, trust.keys);
    clearTimeout(restart);
    restart = setTimeout(restartMember, trust.isComplete ? 0 : GATHER_MS);
  };
  const restartMember = () => {
    member
      .start(group())
      .then(() => parts.files.note())
      .catch((error) => stop.abort(error));
    carryOut();
  };

  services = servicesOf({
    gateway,
    cluster,
    version,
    clientUrls: flags.advertiseClientUrls,
    now: monotonic,
    wake: carryOutSoon,
    size: () => log.size(),
  });
  const sources: MetricsSources = {
    gateway,
    cluster,
    durations,
    version: API_VERSION,
    status: () => member.status()!,
    size: () => log.size(),
    grpc: () => grpc!.status(),
    watchStreams: services.watchStreams,
  };
  const serving: Closable[] = [];
  const heap = new HeapBounds();
  const sampling = setInterval(() => {
    const status = member.status();
    if (status) durations.sample(status);
    const file = parts.files.missing();
    if (file !== undefined)
      logger.rarely(
        REPEAT_MS,
        'error',
        'a file was deleted or replaced under this process: what it acknowledges ends with it',
        {
          file,
        },
      );
  }, SAMPLE_MS);
  const close = async () => {
    clearInterval(sampling);
    heap.close();
    for (const server of serving) await server.close();
    clearTimeout(timer);
    clearTimeout(restart);
    await grpc?.close();
    await member.close();
    await writer.close();
    clearTimeout(timer);
    journal.close();
    await log.close();
  };
  try {
    grpc = await untilFree(() =>
      startGrpc({
        ...client,
        unary: services.unary,
        streams: services.streams,
        onGone: (call) => gateway.handleGone(call),
      }),
    );
    await member.start(group(), store);
    const text = () => gatewayMetrics(sources) + member.metrics();
    for (const url of flags.metricsUrls)
      serving.push(
        await pages.metrics(
          parseLocator(locatorOf(url, 'listen-metrics-urls')),
          text,
          () => gateway.hasQuorum && parts.files.missing() === undefined,
        ),
      );
    // Commands that look at a member find it by its store; nobody needs them to be able to.
    const control = pages.control(storePath, { status: () => member.status()!, metrics: text });
    await control.then(
      (server) => serving.push(server),
      (error: Error) => logger.log('warn', error.message),
    );
  } catch (error) {
    await store.close();
    await close();
    throw error;
  }
  logger.log('info', 'headwater serves in place of etcd', {
    version,
    name: flags.name,
    client: flags.listenClientUrl,
    peer: flags.listenPeerUrl,
    members: cluster.members.length,
    keysKnown: trust.keys.filter(Boolean).length,
    revision: gateway.state.revision,
    ignored: flags.ignored,
  });
  carryOut();
  return { close };
}

/** A signal, or the end of the process that has started us. */
function watchEnd(stop: AbortController): void {
  const parent = process.ppid;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => stop.abort(`told to by ${signal}`));
  setInterval(() => {
    if (process.ppid !== parent) stop.abort('its parent has ended');
  }, PARENT_MS).unref();
}

const REPEAT_MS = 60_000;
const PARENT_MS = 500;
/** More keys may come at once: each start takes a moment. */
const GATHER_MS = 300;
const SAMPLE_MS = 1000;
const MAX_WAIT: Micros = 60 * SECOND;
