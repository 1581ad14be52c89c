/** `headwater etcd`: in place of etcd, for a hydra-node. Its command line, its exit codes and what it prints are etcd's. */
import type { Command } from 'commander';
import { runGateway } from '../gateway.js';

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
