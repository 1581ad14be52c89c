/** `headwater etcd`: in place of etcd, for a hydra-node. Its command line, its exit codes and what it prints are etcd's. */
import type { Command } from 'commander';
import { runEtcd } from '../../gateway/server/run.js';
import { PROMETHEUS_CONTENT_TYPE } from '../../node/status/prometheus.js';
import { controlPathOf, openControl } from '../control.js';
import { refusePages, serveHttp } from '../http.js';

export function etcdCommand(program: Command): void {
  program
    .command('etcd')
    .description('in place of etcd for a hydra-node: same flags, same interface, over a headwater group')
    .argument('[flags...]')
    .usage('[options]')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action((flags: string[]) => runGateway(flags, program.version()!));
}

/** Runs it to its end, which is that of this process. */
export async function runGateway(argv: readonly string[], version: string): Promise<never> {
  const code = await runEtcd(argv, {
    env: process.env,
    version,
    pages: {
      metrics: (where, text, isWell) =>
        serveHttp(
          'listen-metrics-urls',
          where,
          {
            '/metrics': { type: PROMETHEUS_CONTENT_TYPE, text },
            '/health': {
              type: 'application/json',
              text: () => JSON.stringify({ health: String(isWell()), reason: isWell() ? '' : 'no quorum' }),
            },
          },
          { refuse: refusePages },
        ),
      control: (store, member) => openControl(controlPathOf(store), member),
    },
  });
  process.exit(code);
}
