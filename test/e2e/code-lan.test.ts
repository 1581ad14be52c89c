/**
 * A code between two machines that know nothing of each other: network namespaces with a cable between them, multicast DNS on it,
 * and what is said where there is no multicast. Skipped, with the reason, where there can be no namespaces.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cleanup, headwater, program, tempFolder } from './cli.js';
import { digestOf } from './lab.js';

const NAMES = ['a', 'b'].map((name) => `headwater-${process.pid}-${name}`);
const reason = unavailable();
if (reason !== undefined) process.stderr.write(`skipped: no namespaces: ${reason}\n`);

describe.skipIf(reason !== undefined)('two machines on one cable', () => {
  const [here, there] = NAMES.map((name) => ({ by: ['ip', 'netns', 'exec', name] }));

  beforeEach(() => connect());
  afterEach(async () => {
    await cleanup();
    disconnect();
  });

  test('find each other by multicast DNS, with nothing configured', async () => {
    const folder = await tempFolder();
    const file = join(folder, 'data.bin');
    await writeFile(file, randomBytes(200_000));
    const sender = headwater(['send', file, '--json'], here);
    const { code } = await sender.first('code');
    expect(code).toMatch(/^\d+-[a-z]+-[a-z]+$/);
    const receiver = headwater(['receive', code!, '--out', join(folder, 'out'), '--json'], there);
    expect(await receiver.first('waiting')).toMatchObject({
      address: expect.stringMatching(/^10\.99\.0\.1:/),
    });
    expect([await receiver.exit(), await sender.exit()]).toEqual([0, 0]);
    expect(digestOf(await readFile(join(folder, 'out', 'data.bin')))).toBe(digestOf(await readFile(file)));
  });

  test('take different numbers, and each receiver finds its own sender', async () => {
    const folder = await tempFolder();
    const first = headwater(['send', 'package.json', '--json'], here);
    const one = await first.first('code');
    const second = headwater(['send', 'LICENSE', '--json'], there);
    const two = await second.first('code');
    expect(one.code!.split('-')[0]).not.toBe(two.code!.split('-')[0]);
    const receive = (code: string, name: string) =>
      headwater(['receive', code, '--out', join(folder, name), '--json'], there);
    const receivers = [receive(one.code!, 'one'), receive(two.code!, 'two')];
    for (const cli of [...receivers, first, second]) expect(await cli.exit()).toBe(0);
    expect([first, second].flatMap((cli) => cli.events('wrong-code'))).toEqual([]);
  });

  test('without multicast a receiver says what to do, and the code with the address works', async () => {
    const folder = await tempFolder();
    // Somebody has the port of multicast DNS for itself, as a resolver may.
    const script = join(folder, 'hold.mjs');
    await writeFile(script, HOLD);
    const holder = program(script, [], process.env, there.by);
    await holder.until('the port', ({ stdout }) => stdout.includes('held'));
    const sender = headwater(['send', 'LICENSE'], here);
    const code = await sender.until('the code', ({ stdout }) => /^(\d+-[a-z]+-[a-z]+)\n/.exec(stdout)?.[1]);
    const whole = await sender.until(
      'the address',
      ({ stderr }) => /receive (\S+@10\.99\.0\.1:\d+)/.exec(stderr)?.[1],
    );
    const lost = headwater(['receive', code, '--out', join(folder, 'lost'), '--wait', '6'], there);
    expect(await lost.exit()).toBe(1);
    expect(lost.stderr).toMatch(/no multicast at .*10\.99\.0\.2: EADDRINUSE/);
    expect(lost.stderr).toContain('use the code with @HOST:PORT that it shows');
    expect(lost.stderr).toContain('on this network, got none for 6 s');
    const receiver = headwater(['receive', whole, '--out', join(folder, 'out')], there);
    expect([await receiver.exit(), await sender.exit()]).toEqual([0, 0]);
  });
});

function connect(): void {
  const [a, b] = NAMES;
  for (const name of NAMES) ip('netns', 'add', name);
  ip('link', 'add', 'cable', 'netns', a, 'type', 'veth', 'peer', 'name', 'cable', 'netns', b);
  for (const [i, name] of NAMES.entries()) {
    ip('-n', name, 'addr', 'add', `10.99.0.${i + 1}/24`, 'dev', 'cable');
    for (const link of ['lo', 'cable']) ip('-n', name, 'link', 'set', link, 'up');
  }
}

function disconnect(): void {
  for (const name of NAMES)
    try {
      ip('netns', 'del', name);
    } catch {
      // It was not made.
    }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' });
}

function unavailable(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'they need Linux and root';
  try {
    connect();
    return undefined;
  } catch (error) {
    return String((error as Error).message).split('\n', 1)[0];
  } finally {
    disconnect();
  }
}

const HOLD = `
import dgram from 'node:dgram';
dgram.createSocket('udp4').bind(5353, '0.0.0.0', () => console.log('held'));
`;
