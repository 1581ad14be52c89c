/** What outlives a member's process, whose store it refuses to take, and what it does when there is no room. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { keyPair } from '../../src/crypto/keys.js';
import { database } from '../../src/disk/database.js';
import { openStore } from '../../src/disk/lmdb.js';
import { createGroup } from '../../src/group/group.js';
import { Node, type NodeEvent } from '../../src/node/node.js';
import { HEADER_KEY, STORE_VERSION, writeHeader } from '../../src/store/records.js';
import { numbers, openGroup, type TestGroup, until } from './members.js';

afterEach(() => {
  vi.useRealTimers();
});

describe('a restart', () => {
  test('goes on where the last run ended, under the same ids', async () => {
    const lab = await openGroup(1);
    const first = await lab.start<number>(0);
    for (const i of [1, 2]) await first.network.broadcast(i);
    await until(() => first.delivered.length === 2);
    await first.network.close();
    await using again = await lab.start<number>(0);
    await again.network.broadcast(3);
    await until(() => again.delivered.length === 1);
    expect([first.ids, again.delivered, again.ids]).toEqual([['0.0', '1.0'], [3], ['2.0']]);
  });

  test('delivers what was durable and had not been, once a quorum is there', async () => {
    const lab = await openGroup(2);
    const first = await lab.start<number>(0);
    for (const i of numbers(1, 20)) await first.network.broadcast(i);
    await first.network.close();
    expect(first.delivered).toEqual([]);
    await using again = await lab.start<number>(0);
    await using bob = await lab.start<number>(1);
    await until(() => again.delivered.length === 20 && bob.delivered.length === 20);
    expect([again.delivered, bob.delivered]).toEqual([numbers(1, 20), numbers(1, 20)]);
  });

  test('at an earlier time by the clock is heard all the same', async () => {
    const lab = await openGroup(2);
    await using bob = await lab.start<string>(1);
    const first = await lab.start<string>(0);
    await first.network.broadcast('before');
    await until(() => bob.delivered.length === 1);
    await first.network.close();
    // The date only: timers go on.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 86_400_000 });
    await using again = await lab.start<string>(0);
    await again.network.broadcast('after');
    await until(() => bob.delivered.length === 2);
    expect(bob.delivered).toEqual(['before', 'after']);
  });

  test('a member that loses its store begins anew, and is heard', async () => {
    const lab = await openGroup(2);
    await using bob = await lab.start<string>(1);
    const first = await lab.start<string>(0);
    await first.network.broadcast('before');
    await until(() => bob.delivered.length === 1);
    await first.network.close();
    await using again = await lab.start<string>(0, { config: { storePath: `${lab.storePath(0)}.new` } });
    await again.network.broadcast('after');
    await until(() => bob.delivered.length === 2);
    expect(bob.delivered).toEqual(['before', 'after']);
  });

  test('after kill -9 repeats what may not have been done, under its ids, and loses nothing that was durable', async () => {
    const lab = await openGroup(1);
    const durable = new Set<number>();
    const seen = new Map<string, number>();
    let repeats = 0;
    for (let run = 0; run < 4; run++) {
      const lines = await killedMember(lab, run * 100_000);
      // Ids rise within a run.
      const ids = lines.flatMap(([what, , id]) => (what === 'delivered' ? [id] : []));
      expect(ids).toEqual(sortedIds(ids));
      for (const [what, number, id] of lines) {
        if (what === 'durable') durable.add(Number(number));
        if (what !== 'delivered') continue;
        if (seen.has(id)) repeats++;
        expect(seen.get(id) ?? Number(number), id).toBe(Number(number));
        seen.set(id, Number(number));
      }
    }
    await using last = await lab.start<number>(0, {
      deliver(msg, _, { seq, index }) {
        seen.set(`${seq}.${index}`, msg);
      },
    });
    await last.network.broadcast(-1);
    await until(() => last.delivered.at(-1) === -1);
    const delivered = sortedIds([...seen.keys()]).map((id) => seen.get(id)!);
    expect([...durable].filter((number) => !delivered.includes(number))).toEqual([]);
    expect(delivered.slice(0, -1)).toEqual(delivered.slice(0, -1).sort((a, b) => a - b));
    expect(new Set(delivered).size).toBe(delivered.length);
    expect(repeats).toBeLessThan(delivered.length);
  });
});

describe('a store', () => {
  test('of another group is refused', async () => {
    const lab = await openGroup(1);
    await (await lab.start(0)).network.close();
    const group = createGroup({ name: 'another', members: [...lab.group.members] });
    await expect(lab.start(0, { config: { group } })).rejects.toMatchObject({
      code: 'STORE',
      message: expect.stringContaining('group'),
    });
  });

  test('of a group to which a member has been added is refused', async () => {
    const lab = await openGroup(2);
    await (await lab.start(0)).network.close();
    const larger = await openGroup(3);
    await expect(
      larger.start(0, { config: { secretKey: lab.secretKeys[0], storePath: lab.storePath(0) } }),
    ).rejects.toMatchObject({ code: 'STORE' });
  });

  test('of another member is refused', async () => {
    const lab = await openGroup(2);
    await (await lab.start(0)).network.close();
    await expect(lab.start(1, { config: { storePath: lab.storePath(0) } })).rejects.toMatchObject({
      code: 'STORE',
      message: expect.stringContaining('member'),
    });
  });

  test('written by a later version is refused, and left as it is', async () => {
    const lab = await openGroup(1);
    await (await lab.start(0)).network.close();
    const path = lab.storePath(0);
    const db = await database(path);
    const [groupId, publicKey] = [lab.group.id, keyPair(lab.secretKeys[0]).publicKey];
    const version = STORE_VERSION + 1;
    await db.put(HEADER_KEY, writeHeader({ version, incarnation: 1, groupId, publicKey }));
    await db.close();
    const before = readFileSync(path);
    await expect(lab.start(0)).rejects.toMatchObject({
      code: 'STORE',
      message: expect.stringContaining(`got ${STORE_VERSION + 1}`),
    });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('in use by another process is refused', async () => {
    const lab = await openGroup(1);
    const child = member(lab, 'await network.broadcast(0); console.log("durable 0 x");');
    try {
      await once(child.stdout!, 'data');
      await expect(lab.start(0)).rejects.toMatchObject({
        code: 'STORE',
        message: expect.stringContaining(`process ${child.pid}`),
      });
    } finally {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    // Who was killed has it no more.
    await using again = await lab.start(0);
    expect(again.notices).toEqual([]);
  });

  test('that is damaged is kept aside and told of, and what it held comes from the others', async () => {
    const lab = await openGroup(2);
    await using bob = await lab.start<number>(1, { deliver: () => new Promise(() => {}) });
    const first = await lab.start<number>(0);
    await first.network.broadcast(1);
    await until(() => first.delivered.length === 1);
    await first.network.close();
    writeFileSync(lab.storePath(0), new Uint8Array(20_000).fill(0xa5));
    await using again = await lab.start<number>(0);
    // What was consumed has been forgotten with it; bob's log has not.
    await until(() => again.delivered.length === 1);
    expect(again.notices).toMatchObject([
      { type: 'store-recovered', moved: expect.stringContaining('corrupt') },
    ]);
    expect([again.delivered, bob.notices]).toEqual([[1], []]);
  });
});

describe('a store without room', () => {
  test('is told of; senders wait, nothing is lost, and all goes on when there is room again', async () => {
    const lab = await openGroup(2);
    const events: NodeEvent[] = [];
    const heard: number[] = [];
    const store = await openStore({
      path: lab.storePath(0),
      groupId: lab.group.id,
      publicKey: keyPair(lab.secretKeys[0]).publicKey,
      maxBytes: 400_000,
    });
    await using alice = await Node.start({
      group: lab.group,
      secretKey: lab.secretKeys[0],
      store,
      deliver: ({ bytes }) => void heard.push(bytes[0]),
      onEvent: (event) => events.push(event),
    });
    const full = () => events.flatMap((event) => (event.type === 'store-full' ? [event.full] : []));
    // Nobody else holds them, so none can go: these do not fit.
    const sending = numbers(1, 20).map((i) => alice.submit(new Uint8Array(30_000).fill(i)));
    await until(() => full().length > 0);
    expect([full(), heard]).toEqual([[true], []]);
    await using bob = await lab.start<Uint8Array>(1, {
      config: { codec: { encode: (bytes) => bytes, decode: (bytes) => bytes } },
    });
    await Promise.all(sending);
    await until(() => bob.delivered.length === 20 && heard.length === 20);
    expect([heard, bob.delivered.map(([first]) => first)]).toEqual([numbers(1, 20), numbers(1, 20)]);
    expect(full().at(-1)).toBe(false);
  });

  const canMount = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0;
  test.skipIf(!canMount)('on a disk that is full: the same (root only)', async () => {
    const lab = await openGroup(1);
    const disk = join(lab.folder, 'disk');
    mkdirSync(disk);
    const script = `
      import { rmSync, writeFileSync } from 'node:fs';
      writeFileSync('${disk}/ballast', new Uint8Array(2 << 20));
      let open, delivered = 0;
      const opened = new Promise((resolve) => { open = resolve; });
      const full = [];
      const network = await createNetwork({ ...config, storePath: '${disk}/store' }, {
        async deliver(bytes) { await opened; if (bytes[0] !== delivered++) throw new Error('order'); },
        onNotice: (notice) => notice.type === 'warning' || full.push(notice.type === 'store-full' ? notice.full : notice.type),
      });
      let durable = 0;
      const sending = Array.from({ length: 40 }, (_, i) => network.broadcast(new Uint8Array(100_000).fill(i)).then(() => durable++));
      const until = async (condition) => { while (!condition()) await new Promise((done) => setTimeout(done, 10)); };
      await until(() => full.includes(true));
      const before = durable;
      open();
      rmSync('${disk}/ballast');
      await Promise.all(sending);
      await until(() => delivered === 40);
      console.log(JSON.stringify({ some: before > 0 && before < 40, delivered, last: full.at(-1), first: full.filter((what) => what !== 'store-error')[0] }));
      await network.close();`;
    // In a mount namespace of its own: the file system is gone with the process.
    const shell = `mount -t tmpfs -o size=5m tmpfs '${disk}' && exec "$0" --input-type=module -e "$1"`;
    const { stdout, stderr } = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', shell, process.execPath, preamble(lab) + script],
      { encoding: 'utf8', timeout: 100_000 },
    );
    expect(stdout.trim(), stderr).toBe(
      JSON.stringify({ some: true, delivered: 40, last: false, first: true }),
    );
  });
});

/** A member 0 in a process of its own: `script` sees its `network`. */
function member(lab: TestGroup, script: string) {
  const start = `const network = await createNetwork({ ...config, storePath: ${JSON.stringify(lab.storePath(0))} }, { deliver });`;
  const deliver = `const deliver = (msg, _, { seq, index }) => { writeSync(1, 'delivered ' + msg + ' ' + seq + '.' + index + '\\n'); };`;
  return spawn(
    process.execPath,
    ['--input-type=module', '-e', `${preamble(lab)}${deliver}${start}${script}`],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
}

function preamble({ group, secretKeys }: TestGroup): string {
  const members = group.members.map(({ name, locator, publicKey }) => ({
    name,
    locator,
    publicKey: [...publicKey],
  }));
  return `
    import { writeSync } from 'node:fs';
    import { createGroup, createNetwork } from '${new URL('../../dist/index.js', import.meta.url).href}';
    const members = ${JSON.stringify(members)}.map((member) => ({ ...member, publicKey: Uint8Array.from(member.publicKey) }));
    const config = {
      group: createGroup({ name: '${group.name}', members }),
      secretKey: Uint8Array.from(${JSON.stringify([...secretKeys[0]])}),
    };`;
}

/** Numbers from `from` on, broadcast by a process that is killed in the middle of it: what it said it did, word by word. */
async function killedMember(lab: TestGroup, from: number): Promise<string[][]> {
  const child = member(
    lab,
    `for (let i = ${from}; ; i++) { await network.broadcast(i); writeSync(1, 'durable ' + i + ' x\\n'); }`,
  );
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    // Sooner or later in what it does.
    if (text.split('\n').length > 60) child.kill('SIGKILL');
  });
  await once(child, 'close');
  const lines = text.slice(0, text.lastIndexOf('\n')).split('\n');
  return lines.map((line) => line.split(' '));
}

function sortedIds(ids: readonly string[]): string[] {
  const rank = (id: string) => {
    const [seq, index] = id.split('.').map(Number);
    return seq * 65_536 + index;
  };
  return [...ids].sort((a, b) => rank(a) - rank(b));
}
