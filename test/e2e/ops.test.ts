/**
 * What lies in ops/: the unit, as systemd reads it and as a process; the container's command, and the members of the compose file with names
 * that lead nowhere yet, and elsewhere later.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Cli, cleanup, freePorts, headwater, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

const home = new URL('../../', import.meta.url).pathname;
const read = (path: string) => readFileSync(join(home, path), 'utf8');
const can = (command: string, ...args: string[]) => spawnSync(command, args).status === 0;

let folder: string;
beforeEach(async () => {
  folder = await tempFolder();
});
afterEach(cleanup);

describe('headwater@.service', () => {
  const unit = () => read('ops/headwater@.service');

  test.skipIf(!can('systemd-analyze', '--version'))('is one for systemd', () => {
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', join(home, 'ops/headwater@.service')]);
    expect([status, String(stderr)]).toEqual([0, '']);
  });

  test('runs a member with the files that it names, and stops it with 0', async () => {
    const lab = await createLab(folder, ['anna']);
    const line = /^ExecStart=\/usr\/bin\/env headwater (.*)$/m.exec(unit())![1];
    const args = line
      .replace(/\$\{HEADWATER_GROUP\}/, lab.groupFile)
      .replace(/\$\{CREDENTIALS_DIRECTORY\}\/key/, join(folder, 'anna.key'))
      .replace(/\$\{STATE_DIRECTORY\}\/\$\{HEADWATER_STORE\}/, join(folder, 'store'))
      .replace('$HEADWATER_ARGS', '--max-size 8 --order causal')
      .split(' ');
    const cli = headwater(args);
    cli.child.stdin!.end();
    await cli.until('its address', ({ stderr }) => stderr.includes('anna of group lab'));
    const status = headwater(['status', '--store', join(folder, 'store')]);
    expect(await status.exit()).toBe(0);
    cli.child.kill(/^KillSignal=(.*)$/m.exec(unit())![1] as NodeJS.Signals);
    expect(await cli.exit()).toBe(0);
  });

  test('is not started again and again with a store of another group, or in no folder', async () => {
    const lab = await createLab(folder, ['anna']);
    const first = headwater(['node', ...lab.as('anna'), '--store', join(folder, 'store')]);
    first.child.stdin!.end();
    await first.until('its address', ({ stderr }) => stderr.includes('anna of group lab'));
    first.child.kill('SIGTERM');
    await first.exit();
    const text = readFileSync(lab.groupFile, 'utf8');
    writeFileSync(lab.groupFile, text.replace('"lab"', '"lab-2"'));
    for (const store of ['store', 'none/store']) {
      const cli = headwater(['node', ...lab.as('anna'), '--store', join(folder, store)]);
      expect(unit(), store).toContain(`\nRestartPreventExitStatus=${await cli.exit()}\n`);
    }
  });

  test('is not started again and again with files that cannot be used', async () => {
    writeFileSync(join(folder, 'group.json'), '{}');
    const cli = headwater(['node', '-g', join(folder, 'group.json'), '-k', join(folder, 'none.key')]);
    expect(unit()).toContain(`\nRestartPreventExitStatus=${await cli.exit()}\n`);
  });
});

test.skipIf(process.platform === 'win32')(
  'a member is given lines by a FIFO, whose writers come and go',
  async () => {
    const lab = await createLab(folder, ['anna']);
    const fifo = join(folder, 'anna.in');
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
    // As systemd opens it, and a shell with `<>`: for both, so that it never ends.
    const cli = headwater(['node', ...lab.as('anna')], { by: ['sh', '-c', `exec "$@" 0<> ${fifo}`, 'sh'] });
    await cli.until('its address', ({ stderr }) => stderr.includes('anna of group lab'));
    for (const line of ['one', 'two']) {
      writeFileSync(fifo, `${line}\n`);
      await cli.until(line, ({ stdout }) => stdout.includes(`anna: ${line}\n`));
    }
    cli.child.kill('SIGTERM');
    expect(await cli.exit()).toBe(0);
  },
);

/** What the containers run, as the Dockerfile says. */
function imageCommand(): string[] {
  const lines = read('ops/Dockerfile').split('\n');
  const listOf = (word: string): string[] =>
    JSON.parse(lines.find((line) => line.startsWith(`${word} `))!.slice(word.length));
  return [...listOf('ENTRYPOINT'), ...listOf('CMD')];
}

describe('compose.yml', () => {
  interface Service {
    image: string;
    build: { context: string; dockerfile: string };
    configs: { source: string; target: string }[];
    secrets: { source: string; target: string }[];
    volumes: string[];
  }
  const file = () =>
    parse(read('ops/compose.yml'), { merge: true }) as {
      services: Record<string, Service>;
      configs: Record<string, { file: string }>;
      secrets: Record<string, { file: string }>;
      volumes: Record<string, object>;
    };

  test('gives each member the files that the image looks for, and a store of its own', () => {
    const { services, configs, secrets, volumes } = file();
    const command = imageCommand().join(' ');
    expect(Object.keys(services)).toEqual(['a', 'b', 'c']);
    for (const [name, service] of Object.entries(services)) {
      expect(existsSync(join(home, 'ops', service.build.context, service.build.dockerfile))).toBe(true);
      for (const { source, target } of service.configs) {
        expect(configs).toHaveProperty(source);
        expect(command).toContain(`-g ${target} `);
      }
      expect(service.secrets).toEqual([{ source: `${name}-key`, target: 'key' }]);
      expect(secrets).toHaveProperty(`${name}-key`);
      expect(command).toContain('-k /run/secrets/key ');
      expect(service.volumes).toEqual([`${name}:/data`]);
      expect(volumes).toHaveProperty(name);
    }
  });

  // As root: each process then has an /etc/hosts of its own, as a container has.
  const hasNamespaces = process.getuid?.() === 0 && can('unshare', '-m', 'true');

  test.skipIf(!hasNamespaces)(
    'members find each other in whatever order they start, and one that has moved and knows nobody’s address',
    async () => {
      const [port] = await freePorts(1);
      const names = Object.keys(file().services);
      const lab = await createLab(
        folder,
        names,
        names.map((name) => `${name}:${port}`),
      );
      const yard = new Yard(lab);
      // Each knows those that are there already, as the name server of containers does.
      const c = await yard.start('c', '127.0.1.3');
      const b = await yard.start('b', '127.0.1.2');
      const a = await yard.start('a', '127.0.1.1');
      a.say('all are here');
      for (const each of [a, b, c]) await yard.hears(each, 'a: all are here');

      c.child.kill('SIGTERM');
      expect(await c.exit()).toBe(0);
      a.say('while c moves');
      await yard.hears(b, 'a: while c moves');
      const moved = await yard.start('c', '127.0.1.33', []);
      await yard.hears(moved, 'a: while c moves');
    },
  );

  /** Loopback addresses with names, each process with a file of its own for them. */
  class Yard {
    private readonly lab: Lab;
    private readonly names = new Map<string, string>();
    private readonly hosts: { path: string; own: string; knows: readonly string[] | undefined }[] = [];

    constructor(lab: Lab) {
      this.lab = lab;
    }

    /** @param knows the names that lead somewhere for it beside its own; default: all that are here, also those that come later */
    async start(name: string, address: string, knows?: readonly string[]): Promise<Cli> {
      this.names.set(name, address);
      const path = join(folder, `hosts-${this.hosts.length}`);
      this.hosts.push({ path, own: name, knows });
      this.write();
      mkdirSync(join(folder, name), { recursive: true });
      const [, ...command] = imageCommand();
      const args = command.map((arg) =>
        arg
          .replace('/etc/headwater/group.json', this.lab.groupFile)
          .replace('/run/secrets/key', join(folder, `${name}.key`))
          .replace('/data', join(folder, name)),
      );
      const by = ['unshare', '-m', '--', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', path];
      const cli = headwater(args, { by });
      await cli.until('its address', ({ stderr }) => stderr.includes(`${name} of group lab`));
      return cli;
    }

    hears(cli: Cli, line: string) {
      return cli.until(line, ({ stdout }) => stdout.includes(line));
    }

    /** In place: a bind mount shows the file that it was made of. */
    private write(): void {
      for (const { path, own, knows } of this.hosts) {
        const lines = [...this.names].filter(([name]) => name === own || (knows?.includes(name) ?? true));
        writeFileSync(path, lines.map(([name, address]) => `${address} ${name}\n`).join(''));
      }
    }
  }
});
