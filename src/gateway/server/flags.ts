/**
 * Etcd's command line and environment: which flags there are, which of them count here, and which are taken and ignored. In: argv
 * and environment. Out: settings, or what is wrong in etcd's words.
 */
import { HeadwaterError } from '../../errors.js';
import type { Retention } from '../retention.js';

export interface Flags {
  name: string;
  dataDir: string;
  listenPeerUrl: string;
  listenClientUrl: string;
  advertiseClientUrls: string[];
  initialCluster: string;
  token: string;
  /** Whether the cluster is there already: a member without its former key may join then. */
  isExisting: boolean;
  retention: Retention;
  metricsUrls: string[];
  /** Flags and variables that were given and do nothing here. */
  ignored: string[];
}

export type Command = { do: 'run'; flags: Flags } | { do: 'version' } | { do: 'help' };

/** @throws HeadwaterError INVALID_ARGUMENT for what etcd would not take; INVALID_CONFIG for what we cannot do */
export function parseFlags(argv: readonly string[], env: NodeJS.ProcessEnv): Command {
  const given = new Map<string, string>();
  const ignored: string[] = [];
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith('ETCD_') || !value) continue;
    const name = variable.slice(5).toLowerCase().replaceAll('_', '-');
    if (isKnown(name)) given.set(name, value);
    else ignored.push(variable);
  }
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(word);
    if (!match) throw usage(`'${word}' is not a valid flag. See 'etcd --help'.`);
    const [, name, inline] = match;
    if (name === 'version') return { do: 'version' };
    if (name === 'help' || name === 'h') return { do: 'help' };
    if (!isKnown(name)) throw usage(`flag provided but not defined: -${name}`);
    const value = inline ?? (SWITCHES.has(name) ? 'true' : rest.shift());
    if (value === undefined) throw usage(`flag needs an argument: -${name}`);
    given.set(name, value);
  }
  return { do: 'run', flags: flagsOf(given, ignored) };
}

/** For --help: those that count. */
export const HELP = `Usage: headwater etcd [options]

A member of a headwater group that speaks etcd's interface (KV, Watch, Lease), for a hydra-node.

  --name NAME                  this member's name in --initial-cluster
  --data-dir DIR               where its key, its messages and its revisions are
  --listen-peer-urls URL       http://host:port: the UDP port for other members
  --listen-client-urls URL     http://host:port: the TCP port for clients: gRPC
  --initial-advertise-peer-urls URL
                               what others reach it at, if --initial-cluster is left out
  --initial-cluster NAME=URL,...
                               all members, this one included
  --initial-cluster-token TOKEN
                               clusters with other tokens do not hear each other
  --initial-cluster-state new|existing
                               existing: also with a key that others do not know
  --advertise-client-urls URL,...
                               what member list says of this member
  --auto-compaction-mode periodic|revision
                               with --auto-compaction-retention: how long, or how
                               many revisions, what the client has read is kept
  --listen-metrics-urls URL,...
                               http://host:port: /metrics for Prometheus, /health
  --version
  --help

All can be set as ETCD_NAME, ETCD_DATA_DIR and so on. Other flags of etcd's are
taken and do nothing. HEADWATER_GROUP=FILE names a group file with the keys of
all members, HEADWATER_KEY=FILE this member's secret key.`;

function flagsOf(given: ReadonlyMap<string, string>, ignored: string[]): Flags {
  const of = (name: string, otherwise: string) => given.get(name) ?? otherwise;
  for (const name of TLS) {
    const value = given.get(name);
    if (value !== undefined && value !== 'false')
      throw cannot(name, 'none: clients are local, and members are always encrypted', value);
  }
  for (const name of ['config-file', 'discovery', 'discovery-srv', 'force-new-cluster']) {
    const value = given.get(name);
    if (value !== undefined && value !== 'false') throw cannot(name, 'flags alone', value);
  }
  const name = of('name', 'default');
  const peer = only('listen-peer-urls', of('listen-peer-urls', 'http://localhost:2380'));
  const advertised = of('initial-advertise-peer-urls', 'http://localhost:2380');
  const clients = of('listen-client-urls', 'http://localhost:2379');
  const state = of('initial-cluster-state', 'new');
  if (state !== 'new' && state !== 'existing') throw usage(`unknown initial-cluster-state: ${state}`);
  const unused = [...given.keys()].filter((each) => !COUNT.has(each) && !QUIET.has(each));
  return {
    name,
    dataDir: of('data-dir', `${name}.etcd`),
    listenPeerUrl: peer,
    listenClientUrl: only('listen-client-urls', clients),
    advertiseClientUrls: of('advertise-client-urls', clients).split(','),
    initialCluster: of('initial-cluster', `${name}=${advertised}`),
    token: of('initial-cluster-token', 'etcd-cluster'),
    isExisting: state === 'existing',
    metricsUrls: of('listen-metrics-urls', '').split(',').filter(Boolean),
    retention: retentionOf(of('auto-compaction-mode', 'periodic'), of('auto-compaction-retention', '0')),
    ignored: [...ignored, ...unused.map((each) => `--${each}`)],
  };
}

function only(flag: string, urls: string): string {
  if (urls.includes(',')) throw cannot(flag, 'one address', urls);
  return urls;
}

/** `1000` revisions, or hours; `168h`, `5m`, `1h30m`. */
function retentionOf(mode: string, text: string): Retention {
  if (mode !== 'revision' && mode !== 'periodic')
    throw usage(`undefined auto-compaction-mode ${JSON.stringify(mode)}`);
  const number = /^\d+$/.test(text) ? Number(text) : undefined;
  if (mode === 'revision') {
    if (number === undefined) throw usage(`error parsing CompactionRetention: ${text}`);
    return number > 0 ? { revisions: number } : undefined;
  }
  const ms = number === undefined ? durationOf(text) : number * UNITS.h;
  return ms > 0 ? { ms } : undefined;
}

function durationOf(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.map(([part]) => part).join('') !== text || text === '')
    throw usage(`error parsing CompactionRetention: time: invalid duration ${JSON.stringify(text)}`);
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit as keyof typeof UNITS], 0);
}

function isKnown(name: string): boolean {
  return (
    COUNT.has(name) ||
    QUIET.has(name) ||
    OTHERS.has(name) ||
    TLS.has(name) ||
    name.startsWith('experimental-')
  );
}

function usage(message: string): HeadwaterError {
  return new HeadwaterError('INVALID_ARGUMENT', message);
}

function cannot(flag: string, expected: string, got: string): HeadwaterError {
  return new HeadwaterError('INVALID_CONFIG', `--${flag}: expected ${expected}, got ${JSON.stringify(got)}`);
}

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** These say something here. */
const COUNT: ReadonlySet<string> = new Set(
  (
    'name data-dir listen-peer-urls listen-client-urls initial-advertise-peer-urls initial-cluster initial-cluster-token ' +
    'initial-cluster-state advertise-client-urls auto-compaction-mode auto-compaction-retention listen-metrics-urls'
  ).split(' '),
);
/** These are given by every hydra-node, or change nothing that could be missed: nothing is said of them. */
const QUIET: ReadonlySet<string> = new Set(
  'listen-client-http-urls strict-reconfig-check logger log-outputs log-level log-format'.split(' '),
);
/** Flags without a value after a space, as Go's flag package has them. */
const SWITCHES: ReadonlySet<string> = new Set(
  (
    'initial-election-tick-advance strict-reconfig-check pre-vote enable-v2 client-cert-auth auto-tls peer-client-cert-auth ' +
    'peer-auto-tls enable-pprof force-new-cluster debug log-rotation enable-log-rotation socket-reuse-port ' +
    'socket-reuse-address unsafe-no-fsync enable-grpc-gateway experimental-initial-corrupt-check ' +
    'experimental-enable-lease-checkpoint experimental-peer-skip-client-san-verification ' +
    'experimental-enable-v2v3 experimental-txn-mode-write-with-shared-buffer experimental-memory-mlock ' +
    'experimental-compact-hash-check-enabled experimental-enable-distributed-tracing ' +
    'experimental-enable-lease-checkpoint-persist experimental-stop-grpc-service-on-defrag'
  ).split(' '),
);
/** Whose meaning would be security: they are refused rather than ignored. */
const TLS: ReadonlySet<string> = new Set(
  (
    'cert-file key-file client-cert-auth client-crl-file client-cert-allowed-hostname trusted-ca-file auto-tls peer-cert-file ' +
    'peer-key-file peer-client-cert-auth peer-trusted-ca-file peer-cert-allowed-cn peer-cert-allowed-hostname ' +
    'peer-auto-tls peer-crl-file'
  ).split(' '),
);
/** The others of etcd 3.4 to 3.6. */
const OTHERS: ReadonlySet<string> = new Set(
  (
    'wal-dir snapshot-count heartbeat-interval election-timeout initial-election-tick-advance max-snapshots max-wals ' +
    'quota-backend-bytes backend-batch-interval backend-batch-limit backend-bbolt-freelist-type max-txn-ops max-request-bytes ' +
    'max-concurrent-streams grpc-keepalive-min-time grpc-keepalive-interval grpc-keepalive-timeout discovery ' +
    'discovery-fallback discovery-proxy discovery-srv discovery-srv-name discovery-token discovery-endpoints pre-vote ' +
    'enable-v2 cipher-suites tls-min-version tls-max-version self-signed-cert-validity cors host-whitelist auth-token ' +
    'bcrypt-cost auth-token-ttl enable-pprof metrics enable-log-rotation log-rotation-config-json log-package-levels debug ' +
    'proxy proxy-failure-wait proxy-refresh-interval proxy-dial-timeout proxy-write-timeout proxy-read-timeout ' +
    'force-new-cluster config-file socket-reuse-port socket-reuse-address unsafe-no-fsync enable-grpc-gateway v2-deprecation ' +
    'max-learners snapshot-catchup-entries corrupt-check-time initial-corrupt-check compact-hash-check-enabled ' +
    'compact-hash-check-time compaction-batch-limit compaction-sleep-interval watch-progress-notify-interval ' +
    'warning-apply-duration warning-unary-request-duration peer-skip-client-san-verification bootstrap-defrag-threshold-megabytes ' +
    'memory-mlock lease-checkpoint feature-gates stop-grpc-service-on-defrag distributed-tracing-address ' +
    'distributed-tracing-service-name distributed-tracing-instance-id distributed-tracing-sampling-rate ' +
    'enable-distributed-tracing downgrade-check-time max-request-body-size listen-client-tls-urls'
  ).split(' '),
);
