/** Exactly once from end to end: keys of messages that a sender asks for after a crash, and the example that lives by them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { formatPublicKey, formatSecretKey } from '../../src/crypto/keys.js';
import { Node } from '../../src/node/node.js';
import { seedFor } from '../util/seed.js';
import { gate, numbers, openGroup, until } from './members.js';

describe('a message with a key', () => {
  test('sent again has the id that it has, and is delivered once', async () => {
    const lab = await openGroup(1);
    await using alice = await lab.start<string>(0);
    const { network } = alice;
    const first = await network.broadcast('a', { key: 'order 1' });
    // A text is its UTF-8.
    const again = await network.broadcast('a', { key: new TextEncoder().encode('order 1') });
    await network.broadcast('b');
    await until(() => alice.delivered.length === 2);
    expect([alice.delivered, again, first.origin]).toEqual([['a', 'b'], first, 0]);
  });

  test('can be asked for after a restart, and sent again then', async () => {
    const lab = await openGroup(1);
    const before = await lab.start<string>(0);
    const id = await before.network.broadcast('a', { key: 'order 1' });
    await before.network.close();
    await using after = await lab.start<string>(0);
    expect([after.network.sent('order 1'), after.network.sent('order 2')]).toEqual([id, undefined]);
    expect(await after.network.broadcast('a', { key: 'order 1' })).toEqual(id);
    await after.network.broadcast('b');
    await until(() => after.delivered.includes('b'));
    expect([...before.delivered, ...after.delivered]).toEqual(['a', 'b']);
  });

  test('sent many times at once is one, whoever of them gives up', async () => {
    const lab = await openGroup(1);
    await using node = await Node.start({ group: lab.group, secretKey: lab.secretKeys[0] });
    const controller = new AbortController();
    const bytes = new Uint8Array(1);
    const aborted = node.submit(bytes, { key: 'x', signal: controller.signal });
    const kept = numbers(1, 5).map(() => node.submit(bytes, { key: 'x' }));
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
    const ids = new Set((await Promise.all(kept)).map((id) => JSON.stringify(id)));
    expect([ids.size, node.sent('x')]).toEqual([1, JSON.parse([...ids][0])]);
  });

  test('that all have given up before it was on its way was not taken', async () => {
    const lab = await openGroup(1);
    const { opened, open } = gate();
    await using node = await Node.start({
      group: lab.group,
      secretKey: lab.secretKeys[0],
      maxStoredBytes: 1_000_000,
      deliver: () => opened,
    });
    const large = new Uint8Array(100_000);
    const before = numbers(1, 20).map(() => node.submit(large));
    const controller = new AbortController();
    const refused = node.submit(large, { key: 'x', signal: controller.signal });
    await before[0];
    controller.abort();
    await expect(refused).rejects.toMatchObject({ code: 'ABORTED' });
    open();
    await Promise.all(before);
    expect(node.sent('x')).toBeUndefined();
    await node.submit(large, { key: 'x' });
    expect(node.sent('x')).toBeDefined();
  });

  test.each(['', 'x'.repeat(65), new Uint8Array(0), 5])('is refused: %j', async (key) => {
    const lab = await openGroup(1);
    await using alice = await lab.start<string>(0);
    const expected = {
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('key: expected a text or'),
    };
    await expect(alice.network.broadcast('a', { key: key as string })).rejects.toMatchObject(expected);
    expect(() => alice.network.sent(key as string)).toThrow(expect.objectContaining(expected));
  });
});

test('examples/counter.mjs: three members that are killed again and again count everything once', async () => {
  const lab = await openGroup(3);
  const count = 80;
  const rng = new Rng(seedFor('counter'));
  const files = lab.secretKeys.map((seed, i) => {
    const key = join(lab.folder, `${i}.key`);
    writeFileSync(key, formatSecretKey(seed));
    return { key, folder: join(lab.folder, `${i}`) };
  });
  const groupFile = join(lab.folder, 'group.json');
  writeFileSync(
    groupFile,
    JSON.stringify({
      headwater: 'group',
      version: 1,
      name: 'counter',
      members: lab.group.members.map(({ name, publicKey, locator }) => ({
        name,
        key: formatPublicKey(publicKey),
        address: locator,
      })),
    }),
  );
  const example = new URL('../../examples/counter.mjs', import.meta.url).pathname;
  const start = ({ key, folder }: (typeof files)[number]) =>
    spawn(process.execPath, [example, groupFile, key, folder, String(count)], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  const totals = ({ folder }: (typeof files)[number]): Record<string, number> => {
    const path = join(folder, 'counter.json');
    return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).totals : {};
  };
  const sum = (count * (count + 1)) / 2;
  const expected = Object.fromEntries(lab.group.members.map(({ name }) => [name, sum]));
  const reached = () =>
    files.reduce((all, file) => all + Object.values(totals(file)).reduce((a, b) => a + b, 0), 0);
  const processes: ChildProcess[] = files.map(start);
  try {
    for (let kill = 1; kill <= 6; kill++) {
      // Somewhere on the way, and not before anything has happened.
      await until(() => reached() > (kill * 9 * sum) / 10);
      const victim = rng.integer(0, 2);
      processes[victim].kill('SIGKILL');
      await once(processes[victim], 'close');
      processes[victim] = start(files[victim]);
    }
    await until(() =>
      files.every((file) => Object.values(totals(file)).filter((n) => n >= sum).length === 3),
    );
    expect(files.map(totals)).toEqual([expected, expected, expected]);
  } finally {
    for (const process of processes) {
      process.kill('SIGKILL');
      await once(process, 'close');
    }
  }
}, 300_000);
