/** Etcd's command as a process: from its command line to its end. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { MILLISECOND } from '../../core/time.js';
import { keyPair } from '../../crypto/keys.js';
import { HeadwaterError } from '../../errors.js';
import { parseLocator } from '../../group/locator.js';
import { monotonic } from '../../node/clock.js';
import { type Cluster, groupOf, locatorOf, parseCluster } from '../cluster/cluster.js';
import { Trust, type TrustEvent } from '../cluster/trust.js';
import { Gateway } from '../gateway.js';
import { tell } from './events.js';
import { type Flags, HELP, parseFlags } from './flags.js';
import { type GrpcServer, startGrpc } from './grpc.js';
import { Journal, readJournal } from './journal.js';
import { knownKeys, ownKey, pinnedKeys, saveKeys } from './keys.js';
import { openLog, type RevisionLog } from './log.js';
import { type Logger, stderrLogger } from './logger.js';
import { GroupMember, openMemberStore, unsettledIn } from './member.js';
import { Durations, type MetricsSources, serveMetrics } from './metrics.js';
import { API_VERSION, type Services, servicesOf } from './services.js';
import { LogWriter } from './writer.js';

/**
 * Runs until it is told to stop, or its parent is gone. Says nothing on stdout, which belongs to whoever has started it.
 *
 * @param version of this package
 * @returns the exit code
 */
export async function runEtcd(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  version: string,
): Promise<number> {
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
    gateway = await start(command.flags, env, version, logger, stop);
    await aborted(stop.signal);
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
  env: NodeJS.ProcessEnv,
  version: string,
  logger: Logger,
  stop: AbortController,
): Promise<RunningGateway> {
  const cluster = parseCluster(flags.initialCluster, flags.name, flags.token);
  const bind = locatorOf(flags.listenPeerUrl, 'listen-peer-urls');
  const client = parseLocator(locatorOf(flags.listenClientUrl, 'listen-client-urls'));
  const { dataDir } = flags;
  if (existsSync(join(dataDir, 'member')))
    throw new HeadwaterError(
      'STORE',
      `data-dir: expected one of headwater's, got one of etcd's in ${dataDir}: nothing was changed there`,
    );
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const { key, isNew } = ownKey(env.HEADWATER_KEY || join(dataDir, 'headwater.key'));
  const keys = keyPair(key.seed);
  const membersPath = join(dataDir, 'headwater.members.json');
  const pinned = env.HEADWATER_GROUP ? pinnedKeys(env.HEADWATER_GROUP, cluster) : undefined;
  const known = pinned ?? knownKeys(membersPath, cluster);
  const log = await untilFree(() =>
    openLog(join(dataDir, 'headwater.log'), Buffer.concat([cluster.id, keys.publicKey])),
  );
  const storeOptions = { storePath: join(dataDir, 'headwater.store'), publicKey: keys.publicKey };
  const trust = new Trust(monotonic(), {
    cluster,
    keys,
    known,
    onFirstUse: pinned === undefined,
    random: (length) => randomBytes(length),
  });
  const group = () => groupOf(cluster, trust.keys);
  const journalPaths = [join(dataDir, 'headwater.journal'), join(dataDir, 'headwater.journal-2')] as const;
  const store = await openMemberStore(storeOptions, group());
  if (log.recovered !== undefined)
    logger.log('error', 'the log of revisions was damaged: it is kept, and begun anew', {
      moved: log.recovered,
    });
  const gateway = new Gateway(monotonic(), {
    self: cluster.self,
    memberIds: cluster.members.map(({ id }) => id),
    clusterId: cluster.number,
    quorum: group().quorum,
    loaded: log.loaded,
    records: log,
    entries: readJournal(journalPaths),
    retention: flags.retention,
    unsettled: unsettledIn(store, cluster.self),
    random: () => randomBytes(16).toString('hex'),
  });
  let grpc: GrpcServer | undefined;
  let services: Services | undefined;
  let timer: NodeJS.Timeout | undefined;
  const delivering: (() => void)[] = [];

  await settle(gateway, log);
  const journal = new Journal(journalPaths);
  const durations = new Durations();
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
    clearTimeout(timer);
    const wait = Math.min(gateway.nextTimeout(), trust.nextTimeout()) - now;
    timer = setTimeout(onTimer, Math.min(MAX_WAIT_MS, Math.max(1, Math.ceil(wait / MILLISECOND))));
  };
  const onTimer = () => {
    gateway.handleTimeout(monotonic(), Date.now());
    trust.handleTimeout(monotonic());
    carryOut();
  };
  const setReachable = (index: number, isReachable: boolean) => {
    gateway.handleReachable(monotonic(), index, isReachable);
    trust.handleReachable(monotonic(), index, isReachable);
  };
  const member = new GroupMember({
    ...storeOptions,
    seed: key.seed,
    bind,
    deliver({ id, bytes }) {
      gateway.handleMessage(monotonic(), { id, bytes, time: Date.now() });
      carryOut();
      return gateway.isBusy ? new Promise((done) => delivering.push(done)) : undefined;
    },
    onEvent(event) {
      if (event.type === 'peer') setReachable(event.member.index, event.reachable);
      if (event.type === 'begun-anew') gateway.handleLost();
      tell(logger, event);
      carryOut();
    },
    onDatagram(from, bytes) {
      const isOurs = trust.handleDatagram(monotonic(), from, bytes);
      if (isOurs) carryOut();
      return isOurs;
    },
    onSubmitted(tag, id) {
      gateway.handleSubmitted(tag, id);
      carryOut();
    },
    progress: writer,
    onCommit: (seconds) => durations.sync.observe(seconds),
  });

  let restart: NodeJS.Timeout | undefined;
  const onTrust = (event: TrustEvent) => {
    tellTrust(logger, cluster, membersPath, event);
    if (event.type === 'rejected' && isNew && !flags.isExisting)
      stop.abort(
        new HeadwaterError(
          'INVALID_CONFIG',
          `member ${cluster.members[cluster.self].name} has already been bootstrapped: ` +
            `${cluster.members[event.member].name} knows it by another key than that made now in ${dataDir}`,
        ),
      );
    if (event.type !== 'learned') return;
    saveKeys(membersPath, cluster, trust.keys);
    clearTimeout(restart);
    restart = setTimeout(restartMember, trust.isComplete ? 0 : GATHER_MS);
  };
  const restartMember = () => {
    member.start(group()).then(
      () => setTimeout(reconcile, RECONCILE_MS).unref(),
      (error) => stop.abort(error),
    );
    carryOut();
  };
  /** Whoever was within reach and is not heard by the member as it runs now. */
  const reconcile = () => {
    const { members } = group();
    for (const { name, reachable } of member.status()?.peers ?? [])
      setReachable(members.find((each) => each.name === name)!.index, reachable);
    carryOut();
  };

  services = servicesOf({
    gateway,
    cluster,
    version,
    clientUrls: flags.advertiseClientUrls,
    now: monotonic,
    wake: carryOut,
    size: () => log.size(),
  });
  const sources: MetricsSources = {
    gateway,
    cluster,
    durations,
    version: API_VERSION,
    startedAt: Date.now(),
    status: () => member.status(),
    size: () => log.size(),
    grpc: () => grpc?.status(),
    watchStreams: services.watchStreams,
  };
  const metrics: Server[] = [];
  const sampling = setInterval(() => {
    const status = member.status();
    if (status) durations.sample(status);
  }, SAMPLE_MS);
  const close = async () => {
    clearInterval(sampling);
    for (const server of metrics) server.close();
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
    for (const url of flags.metricsUrls) {
      const { host, port } = parseLocator(locatorOf(url, 'listen-metrics-urls'));
      metrics.push(await serveMetrics(host, port, sources));
    }
    await member.start(group(), store);
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

/** Puts what a crash has left into the log, before anything else comes. */
async function settle(gateway: Gateway, log: RevisionLog): Promise<void> {
  for (let writes = gateway.pollWrites(); writes; writes = gateway.pollWrites()) {
    await log.commit(writes);
    gateway.handleCommitted(writes);
  }
}

/** Of a process that ends just now the lock and the port are free in a moment. */
async function untilFree<T>(take: () => Promise<T>): Promise<T> {
  for (const until = performance.now() + HANDOVER_MS; ; ) {
    try {
      return await take();
    } catch (error) {
      const { code, message } = error as HeadwaterError;
      const isTaken =
        (code === 'STORE' && message.includes('nobody uses')) ||
        (code === 'NETWORK' && message.includes('EADDRINUSE'));
      if (!isTaken || performance.now() > until) throw error;
      await new Promise((done) => setTimeout(done, HANDOVER_STEP_MS));
    }
  }
}

function tellTrust(logger: Logger, cluster: Cluster, path: string, event: TrustEvent): void {
  const { name } = cluster.members[event.member];
  switch (event.type) {
    case 'learned':
      return logger.log('info', 'learned the key of a member', { member: name, file: path });
    case 'other-key':
      return logger.rarely(REPEAT_MS, 'error', 'a member answers with another key than it is known by', {
        member: name,
        file: path,
      });
    case 'rejected':
      return logger.rarely(REPEAT_MS, 'error', 'a member knows this one by another key', { member: name });
    case 'other-cluster':
      // The text is etcd's: hydra-node looks for it.
      return logger.rarely(MISMATCH_MS, 'error', 'request sent was ignored due to cluster ID mismatch', {
        'remote-peer-name': name,
        'local-cluster': cluster.text,
      });
  }
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

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    signal.addEventListener('abort', () => done(), { once: true });
  });
}

const REPEAT_MS = 60_000;
/** Each is an event to whoever uses the node. */
const MISMATCH_MS = 10_000;
const PARENT_MS = 500;
/** More keys may come at once: each start takes a moment. */
const GATHER_MS = 300;
/** Longer than a session takes to begin, and a silent peer to be noticed. */
const RECONCILE_MS = 3000;
const SAMPLE_MS = 1000;
const MAX_WAIT_MS = 60_000;
const HANDOVER_MS = 3000;
const HANDOVER_STEP_MS = 100;
