/**
 * Two members, each known to the other by two addresses, over two wires: when the preferred one is cut, what is said goes
 * over the other, and back when it is mended.
 */
import { afterAll, expect, test } from 'vitest';
import { type Cli, cleanup, freePorts, headwater, tempFolder } from './cli.js';
import { createLab, openWire, type Wire } from './lab.js';

afterAll(cleanup);

/** Lets a wire carry both ways, or nothing. */
function setWire({ taps }: Wire, targets: readonly string[] | undefined): void {
  for (const i of [0, 1] as const) taps[i].target = targets?.[i];
}

async function usesAddress(cli: Cli, address: string): Promise<void> {
  await cli.until(`use of ${address}`, () => {
    const peers = cli.events('status').at(-1)?.peers as { address: string }[] | undefined;
    return peers?.[0].address === address;
  });
}

test('a wire that is cut is left, and returned to', async () => {
  const [first, second] = [await openWire(), await openWire()];
  try {
    const targets = (await freePorts(2)).map((port) => `127.0.0.1:${port}`);
    for (const wire of [first, second]) setWire(wire, targets);
    const names = ['anna', 'ben'];
    const addresses = [0, 1].map((i) => [first.taps[i].address, second.taps[i].address]);
    const lab = await createLab(await tempFolder(), names, addresses);
    const [anna, ben] = names.map((name, i) =>
      headwater(['node', ...lab.as(name), '--bind', targets[i], '--json']),
    );
    const heard = (cli: Cli) => cli.events('deliver').map(({ text }) => text);
    await anna.first('peer');
    await ben.first('peer');
    anna.say('over the first');
    await ben.until('the first line', (cli) => heard(cli).length === 1);
    await usesAddress(anna, addresses[1][0]);

    setWire(first, undefined);
    anna.say('over the second');
    ben.say('likewise');
    await anna.until('both lines', (cli) => heard(cli).length === 3);
    await ben.until('both lines', (cli) => heard(cli).length === 3);
    await usesAddress(anna, addresses[1][1]);
    await usesAddress(ben, addresses[0][1]);

    setWire(first, targets);
    await usesAddress(anna, addresses[1][0]);
    anna.say('home');
    await ben.until('the last line', (cli) => heard(cli).at(-1) === 'home');
    for (const cli of [anna, ben]) {
      cli.child.kill('SIGINT');
      expect(await cli.exit()).toBe(0);
    }
  } finally {
    await Promise.all([first.close(), second.close()]);
  }
});
