/**
 * A group of real `headwater node` processes over the emulated network, to be broken. In: what each link does, how each member is
 * started. Out: what `headwater status` says of one of them.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { formatPublicKey, formatSecretKey, keyPair } from '../../src/crypto/keys.js';
import { type Emulator, startEmulator } from '../../src/emulator/emulator.js';
import type { NodeStatus } from '../../src/node/status/shape.js';
import type { LinkOptions } from '../../src/sim/net/link.js';

export const NAMES = ['a', 'b', 'c'] as const;
export type Name = (typeof NAMES)[number];

/** How a member is started, where that is not as ever. */
export interface Start {
  /** In place of the group's own file. */
  group?: string;
  /** Beside the emulated network: where it binds. */
  bind?: string;
  /** In place of that of this member's name. */
  store?: string;
  /** A module that is loaded first. */
  preload?: string;
  /** A program of its own in place of the command, and what it is told besides. */
  program?: readonly [string, ...string[]];
  /** A command that the process is run by. */
  by?: readonly string[];
  /** Whether its output is read. Default: it is. */
  isRead?: boolean;
}

export class Yard {
  readonly folder: string;
  private readonly emulator: Emulator;
  private readonly children = new Set<ChildProcess>();
  private readonly keys = new Map<Name, string>();

  private constructor(folder: string, emulator: Emulator) {
    this.folder = folder;
    this.emulator = emulator;
  }

  /** @param link what the link from one member to another does, by name */
  static async open(folder: string, link: (from: Name, to: Name) => LinkOptions = () => ({})): Promise<Yard> {
    mkdirSync(folder, { recursive: true });
    const emulator = await startEmulator({
      ports: NAMES.map(() => ({ listen: { host: '127.0.0.1', port: 0 } })),
      link: (from, to) => ({ delay: 2000, overhead: 28, ...link(NAMES[from], NAMES[to]) }),
      seed: 'drill',
    });
    const yard = new Yard(folder, emulator);
    for (const name of NAMES) {
      const seed = randomBytes(32);
      writeFileSync(yard.at(`${name}.key`), formatSecretKey(seed), { mode: 0o600 });
      yard.keys.set(name, formatPublicKey(keyPair(seed).publicKey));
    }
    yard.writeGroup('group.json', 'drill');
    return yard;
  }

  at(name: string): string {
    return join(this.folder, name);
  }

  /** A group file of all members; at the emulated network, unless addresses are given. */
  writeGroup(file: string, name: string, addresses = this.emulator.addresses): void {
    const members = addresses.map(({ host, port }, i) => ({
      name: NAMES[i],
      key: this.keys.get(NAMES[i])!,
      address: `${host}:${port}`,
    }));
    writeFileSync(this.at(file), JSON.stringify({ headwater: 'group', version: 1, name, members }));
  }

  /** Starts a member; resolves once it has an address, which the network is told. */
  async start(name: Name, start: Start = {}): Promise<ChildProcess> {
    const {
      group = 'group.json',
      bind = '127.0.0.1:0',
      store = `${name}.store`,
      preload,
      program: [program, ...more] = [MAIN],
      by = [],
      isRead = true,
    } = start;
    const files = ['--group', this.at(group), '--key', this.at(`${name}.key`), '--store', this.at(store)];
    const args = [
      ...(preload === undefined ? [] : ['--import', `data:text/javascript,${encodeURIComponent(preload)}`]),
      ...[program, 'node', ...files, '--bind', bind, '--control', this.control(store), '--json', ...more],
    ];
    const [command, ...rest] = [...by, process.execPath, ...args];
    const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.children.add(child);
    // It may be killed while it is written to.
    child.stdin.on('error', () => {});
    let words = '';
    child.stderr.on('data', (part) => (words = `${words}${part}`.slice(-2000)));
    const address = await new Promise<string>((done, fail) => {
      const lines = createInterface({ input: child.stdout });
      lines.on('line', (line) => {
        const event = JSON.parse(line) as { event: string; address: string };
        if (event.event !== 'ready') return;
        done(event.address);
        if (isRead) return;
        lines.close();
        child.stdout.pause();
      });
      child.once('close', (code) => fail(new Error(`${name}: exit code ${code}: ${words}`)));
    });
    if (start.bind !== undefined) return child;
    const [host, port] = address.split(':');
    await this.emulator.setTarget(NAMES.indexOf(name), { host, port: Number(port) });
    return child;
  }

  /** As a crash. */
  kill(child: ChildProcess): Promise<void> {
    return new Promise((done) => {
      child.once('close', () => done());
      child.kill('SIGKILL');
    });
  }

  /** What `headwater status --json` says. */
  async status(store: string): Promise<NodeStatus> {
    const args = [MAIN, 'status', '--json', '--control', this.control(store)];
    return JSON.parse((await promisify(execFile)(process.execPath, args)).stdout);
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.children].map((child) =>
        child.exitCode === null && child.signalCode === null ? this.kill(child) : undefined,
      ),
    );
    await this.emulator.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private control(store: string): string {
    return this.at(`${store.replace('/', '-')}.sock`);
  }
}

const MAIN = fileURLToPath(new URL('../../../../dist/cli/main.js', import.meta.url));
