/**
 * A group of real `headwater node` processes with stores, and one liar with a socket of its own in this process. In: what the
 * liar does. Out: what the processes delivered and when, their memory, disk and CPU.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SLICE_SIZE, writeManifest } from '../../../src/bulk/manifest.js';
import { CONTROLLERS } from '../../../src/congestion/index.js';
import { Rng } from '../../../src/core/rng.js';
import { formatPublicKey, formatSecretKey, type KeyPair, keyPair } from '../../../src/crypto/keys.js';
import { type Group, parseGroup } from '../../../src/group/group.js';
import { Endpoint } from '../../../src/member/endpoint.js';
import type { Tamper } from '../../../src/member/tamper.js';
import { type Driver, startDriver } from '../../../src/node/driver.js';
import { openUdp, type UdpSocket } from '../../../src/node/udp.js';
import { withDefaults } from '../../../src/options.js';
import { memoryStore } from '../../../src/store/memory.js';
import type { VectorEntry } from '../../../src/wire/frames/vector.js';
import type { Frame } from '../../../src/wire/frames.js';
import { Forged, type Forger, vectorOf } from './forge.js';

export interface SiegeOptions {
  members?: number;
  byzantine?: number;
  faulty?: number;
  /** MiB of V8's heap in each honest process; default: Node's own. */
  heap?: number;
  /** Honest members are programs of the library's users, not `headwater node`. */
  library?: boolean;
  /** Seconds of load; default 4. */
  seconds?: number;
  /** Members that are not started with the others. */
  late?: readonly number[];
}

export class Siege {
  readonly options: SiegeOptions;
  readonly isControl: boolean;
  readonly folder = mkdtempSync(join(tmpdir(), 'headwater-hostile-'));
  readonly group: Group;
  readonly port: number;
  readonly liar: number;
  readonly honest: Process[];
  endpoint!: Endpoint;
  incarnation = 0;
  private readonly keys: { seed: Uint8Array; pair: KeyPair }[];
  private readonly groupFile: string;
  private readonly tampers: Tamper = {};
  private socket: UdpSocket | undefined;
  private driver: Driver | undefined;
  private readonly sent = new Map<string, number>();
  private counter = 0;

  private constructor(options: SiegeOptions, isControl: boolean, ports: readonly number[]) {
    const { members: n = 4, byzantine = 1, faulty } = options;
    this.options = options;
    this.isControl = isControl;
    this.port = ports[0];
    this.keys = Array.from({ length: n }, () => {
      const seed = new Uint8Array(randomBytes(32));
      return { seed, pair: keyPair(seed) };
    }).sort((a, b) => Buffer.compare(a.pair.publicKey, b.pair.publicKey));
    const text = JSON.stringify({
      ...{ headwater: 'group', version: 1, name: 'hostile', byzantine },
      ...(faulty === undefined ? {} : { faulty }),
      members: this.keys.map(({ pair }, i) => ({
        name: `m${i}`,
        key: formatPublicKey(pair.publicKey),
        address: `127.0.0.1:${ports[i]}`,
      })),
    });
    this.groupFile = join(this.folder, 'group.json');
    writeFileSync(this.groupFile, text);
    this.group = parseGroup(text);
    this.keys.forEach(({ seed }, i) => {
      writeFileSync(join(this.folder, `${i}.key`), formatSecretKey(seed), { mode: 0o600 });
    });
    this.liar = n - 1;
    this.honest = this.keys.slice(0, -1).map((_, i) => new Process(i, this.argsOf(i)));
  }

  static async start(options: SiegeOptions, isControl: boolean): Promise<Siege> {
    const siege = new Siege(options, isControl, await freePorts(options.members ?? 4));
    for (const process of siege.honest) if (!options.late?.includes(process.index)) process.start();
    await siege.begin();
    const up = siege.honest.filter(({ isRunning }) => isRunning);
    for (const process of up)
      await until(() => siege.isUp(process.index) && process.peers.size >= up.length, 60);
    return siege;
  }

  /** What `headwater node` is given for a member. */
  argsOf(index: number, command = ['node', '--json', '--store', this.store(index)]): string[] {
    const { heap, library } = this.options;
    const node = heap === undefined ? [] : [`--max-old-space-size=${heap}`];
    const key = join(this.folder, `${index}.key`);
    if (library) return [...node, WORKER, this.groupFile, key, this.store(index)];
    return [...node, MAIN, ...command, '--group', this.groupFile, '--key', key];
  }

  store(index: number): string {
    return join(this.folder, `${index}.store`);
  }

  now(): number {
    return this.driver!.now();
  }

  /** The liar's life begins. */
  async begin(incarnation = Date.now()): Promise<void> {
    const store = memoryStore(incarnation);
    this.incarnation = store.loaded.incarnation;
    this.endpoint = new Endpoint({
      ...withDefaults(),
      group: this.group,
      keys: this.keys[this.liar].pair,
      rng: new Rng(String(incarnation)),
      entropy: { bytes: (length) => new Uint8Array(randomBytes(length)) },
      incarnation: store.loaded.session,
      controller: CONTROLLERS.bbr,
      maxDatagram: 65_488,
      loaded: store.loaded,
      tamper: this.tampers,
    });
    const { endpoint } = this;
    this.socket = await openUdp(
      this.group.members[this.liar].locator,
      this.group.members.flatMap(({ locators }) => locators),
      (from, bytes) => this.driver?.onDatagram(from, bytes),
    );
    this.driver = startDriver(endpoint, {
      socket: this.socket,
      store,
      onEvent: (event) => {
        if (event.type === 'deliver') endpoint.consumer.handleConsumed(this.now());
        this.driver?.wake();
      },
      onStoreError: () => {},
    });
  }

  /** The liar's life ends. */
  async end(): Promise<void> {
    this.driver?.stop();
    await this.socket?.close();
    this.endpoint.dispose();
  }

  tamper(change: Tamper): void {
    if (!this.isControl) Object.assign(this.tampers, change);
  }

  isUp(peer: number): boolean {
    return this.endpoint
      .status(this.now())
      .peers.some(({ member, reachable }) => member.index === peer && reachable);
  }

  say(peer: number, frames: readonly Frame[], symbol?: Uint8Array): boolean {
    const said = this.endpoint.say(this.now(), peer, frames, symbol);
    this.driver!.wake();
    return said;
  }

  /** Offers an empty file of this name, if there is a manifest with such a name at all. */
  offer(path: string): void {
    const entries = [{ kind: 'file' as const, path, mode: 0o644, modified: 0, size: 0 }];
    try {
      this.endpoint.bulk.files.offer(
        this.now(),
        writeManifest({ entries, sliceSize: SLICE_SIZE, hashes: new Uint8Array(0) }),
      );
      this.driver!.wake();
    } catch {
      // No member parses it either.
    }
  }

  vector(peer: number, entries: VectorEntry[]): boolean {
    return this.say(peer, [vectorOf(entries)]);
  }

  tell(entries: VectorEntry[]): void {
    for (const { index } of this.honest) this.vector(index, entries);
  }

  get forger(): Forger {
    return { group: this.group, self: this.liar, keys: this.keys[this.liar].pair };
  }

  forge(bytes: Uint8Array, seq = 0, changes: ConstructorParameters<typeof Forged>[3] = {}): Forged {
    return new Forged(
      this.forger,
      { incarnation: changes.incarnation ?? this.incarnation, seq },
      bytes,
      changes,
    );
  }

  /** Gives a whole object to members, in large datagrams, at so many megabytes a second; loss is made up for by a second pass. */
  async serve(forged: Forged, peers = this.honest.map(({ index }) => index), rate = 40): Promise<void> {
    const started = performance.now();
    let bytes = 0;
    for (const body of forged.served(60_000, 4)) {
      for (const peer of peers) this.say(peer, [], body);
      bytes += body.length * peers.length;
      const ahead = bytes / (rate * 1000) - (performance.now() - started);
      if (ahead > 2 || bytes % 2 ** 20 < body.length * peers.length) await sleep(Math.max(0, ahead));
    }
  }

  /** A datagram from a socket of a stranger. */
  stranger(host = '127.0.0.1'): Promise<{ send(to: number, bytes: Uint8Array): void; close(): void }> {
    const socket = createSocket('udp4');
    socket.on('error', () => {});
    return new Promise((done) =>
      socket.bind(0, host, () =>
        done({
          send: (to, bytes) =>
            socket.send(bytes, Number(this.group.members[to].locator.split(':')[1]), '127.0.0.1'),
          close: () => void socket.close(),
        }),
      ),
    );
  }

  /** All honest members are killed and started again with what is in their stores; resolves once they have found each other. */
  async restartAll(): Promise<void> {
    for (const process of this.honest) {
      await process.kill();
      process.start();
    }
    const others = this.honest.length - 1;
    await until(() => this.dead() > 0 || this.honest.every(({ peers }) => peers.size >= others), 60);
  }

  /** The liar broadcasts a message as an honest member does, once there is room for it. */
  async broadcast(bytes: Uint8Array): Promise<void> {
    await until(() => this.endpoint.messages.hasRoom, 60);
    this.endpoint.messages.submit(bytes);
    this.driver!.wake();
  }

  /** A line for a member to broadcast. */
  submit(from: number): void {
    const text = `m${from}-${this.counter++}`.padEnd(200, '.');
    if (!this.honest[from].say(text)) return;
    this.sent.set(text, performance.now());
  }

  /** All running honest members broadcast a line five times a second. */
  async load(seconds = this.options.seconds ?? 4): Promise<void> {
    const end = performance.now() + seconds * 1000;
    for (let i = 0; performance.now() < end; i++) {
      const { index, isRunning } = this.honest[i % this.honest.length];
      if (isRunning) this.submit(index);
      await sleep(200 / this.honest.length);
    }
  }

  /** Until everything is everywhere; gives up in the end. `patience`: ms that a rule may wait. */
  async drain(patience = 0): Promise<void> {
    await until(() => this.missing() === 0 || this.dead() > 0, DRAIN_SECONDS + patience / 1000);
    await sleep(500);
  }

  missing(): number {
    let missing = 0;
    for (const text of this.sent.keys())
      for (const process of this.honest) if (this.lacks(process, text)) missing++;
    return missing;
  }

  private lacks(process: Process, text: string): boolean {
    if (process.got.has(text)) return false;
    const known = this.honest.find(({ got }) => got.has(text))?.got.get(text);
    return !known || !process.hasGivenUp(known.id);
  }

  doubled(): number {
    return this.honest.reduce(
      (sum, { got }) => sum + [...got.values()].filter(({ times }) => times > 1).length,
      0,
    );
  }

  /** Processes that have ended by themselves. */
  dead(): number {
    return this.honest.filter(({ hasDied }) => hasDied).length;
  }

  latencies(): number[] {
    return [...this.sent].flatMap(([text, at]) =>
      this.honest.flatMap((process) => {
        const got = process.got.get(text)?.at ?? (this.lacks(process, text) ? performance.now() : undefined);
        return got === undefined ? [] : [got - at];
      }),
    );
  }

  /** MB of the largest honest store. */
  stored(): number {
    const files = readdirSync(this.folder).filter((file) => /^\d+\.store/.test(file));
    return Math.max(0, ...files.map((file) => statSync(join(this.folder, file)).size)) / 1e6;
  }

  async close(): Promise<void> {
    await this.end();
    await Promise.all(this.honest.map((process) => process.kill()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Streams of two members begun in the same millisecond are not told apart. */
interface MessageName {
  incarnation: number;
  seq: number;
}

/** One honest member. */
export class Process {
  readonly index: number;
  readonly got = new Map<string, { at: number; times: number; id: MessageName }>();
  readonly peers = new Set<string>();
  readonly events: Record<string, unknown>[] = [];
  stdout = '';
  stderr = '';
  hasDied = false;
  /** MiB. */
  peakRss = 0;
  private isShared = false;
  private readonly args: string[];
  private child: ChildProcess | undefined;
  private watch: NodeJS.Timeout | undefined;
  private ended: Promise<void> = Promise.resolve();

  constructor(index: number, args: string[]) {
    this.index = index;
    this.args = args;
  }

  get isRunning(): boolean {
    return this.child !== undefined;
  }

  start(args = this.args): void {
    const child = spawn(execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child = child;
    this.peers.clear();
    const life = new Set<string>();
    child.stdin.on('error', () => {});
    child.stderr.on('data', (text) => {
      if (this.stderr.length < 100_000) this.stderr += text;
    });
    child.stdout.on('data', (text) => {
      if (this.stdout.length < 100_000) this.stdout += text;
    });
    createInterface({ input: child.stdout }).on('line', (line) => this.take(line, life));
    this.ended = new Promise((done) =>
      child.once('close', () => {
        if (this.child === child) this.hasDied = true;
        if (this.child === child) this.child = undefined;
        done();
      }),
    );
    clearInterval(this.watch);
    this.watch = setInterval(() => {
      this.peakRss = Math.max(this.peakRss, this.rss());
    }, 50);
  }

  say(line: string): boolean {
    return this.child?.stdin?.write(`${line}\n`) !== undefined;
  }

  /**
   * Another process has had our key. What it delivered is delivered; of what it has confirmed besides nobody keeps anything for
   * us, which we are to say.
   */
  join({ got }: Process): void {
    for (const [text, delivery] of got) if (!this.got.has(text)) this.got.set(text, delivery);
    this.isShared = true;
  }

  /** Another process with our key may have had it, and we have said that we do not. */
  hasGivenUp({ incarnation, seq }: MessageName): boolean {
    const isLost = (event: Record<string, unknown>) =>
      event.event === 'lost' &&
      event.incarnation === incarnation &&
      Number(event.from) <= seq &&
      seq < Number(event.to);
    return this.isShared && this.events.some(isLost);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const { child } = this;
    this.child = undefined;
    clearInterval(this.watch);
    child?.kill(signal);
    await this.ended;
  }

  /** MiB. */
  rss(): number {
    return Number(this.proc('status', /VmRSS:\s+(\d+)/)?.[1] ?? 0) / 1024;
  }

  /** Seconds used. */
  cpu(): number {
    const stat = this.proc('stat', /\) (.*)/s)?.[1].split(' ');
    return stat ? (Number(stat[11]) + Number(stat[12])) / 100 : Number.NaN;
  }

  private proc(file: string, pattern: RegExp): RegExpExecArray | null {
    try {
      return pattern.exec(readFileSync(`/proc/${this.child?.pid}/${file}`, 'latin1'));
    } catch {
      return null;
    }
  }

  private take(line: string, life: Set<string>): void {
    let event: Record<string, unknown>;
    try {
      event = JSON.parse(line);
    } catch {
      return;
    }
    if (event.event === 'peer' && event.reachable) this.peers.add(String(event.member));
    if (event.event !== 'status' && event.event !== 'deliver' && this.events.length < 10_000)
      this.events.push(event);
    if (event.event !== 'deliver' || typeof event.text !== 'string') return;
    const { text } = event;
    const id = { incarnation: Number(event.incarnation), seq: Number(event.seq) };
    const known = this.got.get(text);
    // After a restart the last one may come again.
    if (known && life.has(text)) known.times++;
    else if (!known) this.got.set(text, { at: performance.now(), times: 1, id });
    life.add(text);
  }
}

export async function until(isTrue: () => boolean, seconds: number): Promise<boolean> {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    if (isTrue()) return true;
    await sleep(25);
  }
  return isTrue();
}

/** Ports of 127.0.0.1 below those that the system gives out by itself. */
async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    const socket = createSocket('udp4');
    const isFree = await new Promise<boolean>((done) => {
      socket.once('error', () => done(false));
      socket.bind(port, '127.0.0.1', () => done(true));
    });
    socket.close();
    if (isFree) ports.add(port);
  }
  return [...ports];
}

const WORKER = join(import.meta.dirname, 'worker.js');
const MAIN = fileURLToPath(new URL('../../../../../dist/cli/main.js', import.meta.url));
const DRAIN_SECONDS = 20;
