import { describe, expect, test } from 'vitest';
import { type Flags, parseFlags } from '../../src/gateway/server/flags.js';

/** As hydra-node starts it. */
const ARGV = [
  ['--name', '127.0.0.1:5001'],
  ['--data-dir', 'persistence/etcd/00'],
  ['--listen-peer-urls', 'http://0.0.0.0:5001'],
  ['--initial-advertise-peer-urls', 'http://127.0.0.1:5001'],
  ['--listen-client-urls', 'http://127.0.0.1:2379'],
  ['--listen-client-http-urls', 'http://localhost:0'],
  ['--advertise-client-urls', 'http://127.0.0.1:2379'],
  ['--initial-cluster-token', 'hydra-network-1'],
  ['--initial-cluster', '127.0.0.1:5001=http://127.0.0.1:5001,b:2=http://b:2'],
].flat();
const ENV = { ETCD_AUTO_COMPACTION_MODE: 'revision', ETCD_AUTO_COMPACTION_RETENTION: '1000' };

function flags(argv: string[], env: NodeJS.ProcessEnv = {}): Flags {
  const command = parseFlags(argv, env);
  if (command.do !== 'run') throw new Error(`expected to run, got ${command.do}`);
  return command.flags;
}

describe('the command line', () => {
  test('is hydra-node’s', () => {
    expect(flags(ARGV, ENV)).toEqual({
      name: '127.0.0.1:5001',
      dataDir: 'persistence/etcd/00',
      listenPeerUrl: 'http://0.0.0.0:5001',
      listenClientUrl: 'http://127.0.0.1:2379',
      advertiseClientUrls: ['http://127.0.0.1:2379'],
      initialCluster: '127.0.0.1:5001=http://127.0.0.1:5001,b:2=http://b:2',
      token: 'hydra-network-1',
      isExisting: false,
      retention: { revisions: 1000 },
      metricsUrls: [],
      ignored: [],
    });
  });

  test('goes before the environment, in each form that Go takes', () => {
    const env = { ETCD_NAME: 'env', ETCD_INITIAL_CLUSTER_STATE: 'existing' };
    for (const argv of [['--name=arg'], ['-name', 'arg'], ['--name', 'arg']])
      expect(flags(argv, env)).toMatchObject({ name: 'arg', isExisting: true });
    expect(flags(['--strict-reconfig-check', '--name', 'arg']).name).toBe('arg');
  });

  test.each([
    ['168h', { ms: 168 * 3_600_000 }],
    ['1h30m', { ms: 5_400_000 }],
    ['2', { ms: 7_200_000 }],
    ['0', undefined],
  ])('keeps for %s', (text, retention) => {
    expect(flags(['--auto-compaction-retention', text]).retention).toEqual(retention);
  });

  test('takes what only etcd can do, and says so', () => {
    const env = { ETCD_HEARTBEAT_INTERVAL: '100', ETCD_NONSENSE: '1' };
    expect(flags(['--election-timeout', '1000'], env).ignored.toSorted()).toEqual([
      '--election-timeout',
      '--heartbeat-interval',
      'ETCD_NONSENSE',
    ]);
  });

  test.each([
    [['--nonsense', 'x'], 'flag provided but not defined: -nonsense'],
    [['--name'], 'flag needs an argument: -name'],
    [['extra'], "'extra' is not a valid flag. See 'etcd --help'."],
    [['--initial-cluster-state', 'old'], 'unknown initial-cluster-state: old'],
    [['--auto-compaction-mode', 'never'], 'undefined auto-compaction-mode "never"'],
  ])('refuses what etcd refuses: %s', (argv, message) => {
    expect(() => flags(argv)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message }));
  });

  test('does not pass over what would be security', () => {
    for (const flag of ['--cert-file', '--peer-trusted-ca-file'])
      expect(() => flags([flag, 'x'])).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
  });
});
