/**
 * headwater, as its command line: `send` and `receive --count 1`. Overlay: one group, receivers relay for each other. Unicast: a group of
 * two for each receiver. Multicast: one group, `--mode multicast`.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { formatPublicKey, formatSecretKey, keyPair } from '../../../src/crypto/keys.js';
import { projectRoot } from '../../../tools/lab/lab.js';
import type { Ground, Process } from '../ground.js';
import { PORT, type Prepared, receiversOf, type System } from './system.js';

export const overlay: System = {
  name: 'headwater',
  mode: 'overlay',
  fits: ({ receivers }) => receivers > 1,
  prepare: (ground) => prepare(ground, [receiversOf(ground.case)]),
};

export const unicast: System = {
  name: 'headwater',
  mode: 'unicast',
  prepare: (ground) =>
    prepare(
      ground,
      receiversOf(ground.case).map((receiver) => [receiver]),
    ),
};

export const multicast: System = {
  name: 'headwater',
  mode: 'multicast',
  prepare: (ground) => prepare(ground, [receiversOf(ground.case)], ['--mode', 'multicast']),
};

/** One `send` for each set of receivers, with more options if they are given. */
async function prepare(ground: Ground, sets: number[][], options: string[] = []): Promise<Prepared> {
  const groups = await Promise.all(sets.map((receivers, i) => groupOf(ground, i, [0, ...receivers])));
  const receivers = groups.flatMap(({ nodes, as }) =>
    nodes
      .slice(1)
      .map((node) =>
        headwater(ground, node, ['receive', '--count', '1', '--out', ground.folder(node), ...as(node)]),
      ),
  );
  await Promise.all(
    receivers.map((receiver) => receiver.until((line) => / saving to /.test(line) || undefined)),
  );
  return {
    async send() {
      const senders = groups.map(({ as }) =>
        headwater(ground, 0, [
          ...['send', ground.file, '--name', ground.fileName, '--wait', '60'],
          ...options,
          ...as(0),
        ]),
      );
      // The tree's hash, and where it is.
      const saved = receivers.map((receiver) =>
        receiver.until((line) => /^[0-9a-f]{64} {2}/.test(line) || undefined),
      );
      await Promise.race([Promise.all(saved), ...senders.map(({ failed }) => failed)]);
    },
    result: (receiver) => join(ground.folder(receiver), ground.fileName),
  };
}

async function groupOf(ground: Ground, index: number, nodes: number[]) {
  const keyFile = (node: number) => `${ground.folder(node)}.key`;
  const members = await Promise.all(
    nodes.map(async (node) => {
      const seed = new Uint8Array(32).fill(node + 1);
      await writeFile(keyFile(node), formatSecretKey(seed), { mode: 0o600 });
      const address = `${ground.lab.address(node)}:${PORT + index}`;
      return { name: `n${node}`, key: formatPublicKey(keyPair(seed).publicKey), address };
    }),
  );
  const file = `${ground.folder(0)}-${index}.json`;
  await writeFile(file, JSON.stringify({ headwater: 'group', version: 1, name: 'links', members }));
  return { nodes, as: (node: number) => ['--group', file, '--key', keyFile(node)] };
}

function headwater(ground: Ground, node: number, args: string[]): Process {
  return ground.start(node, execPath, [join(projectRoot(), 'dist/cli/main.js'), ...args]);
}
