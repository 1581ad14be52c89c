/**
 * `headwater demo`: a group of real processes on this machine, an emulated lossy network between them, and one real file
 * from the first member to all others. It runs the commands `send` and `receive` as a user would and reads their JSON.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { toHex } from '../../core/bytes.js';
import { sha256 } from '../../crypto/hash.js';
import { formatPublicKey, formatSecretKey, keyPair } from '../../crypto/keys.js';
import { type Emulator, startEmulator } from '../../emulator/emulator.js';
import { HeadwaterError } from '../../errors.js';
import { fileError } from '../../file/disk.js';
import { parseLocator } from '../../group/locator.js';
import { type Child, spawnCommand } from '../child.js';
import { createDemoView, type DemoMember, holdsShare, printSummary, type Summary } from '../demo-view.js';
import {
  EXIT,
  fired,
  integer,
  note,
  number,
  printJson,
  temporaryFolder,
  unlessFired,
  withInterrupt,
} from '../io.js';
import { type Address, httpAddress } from '../page/address.js';
import { type DemoPage, openDemoPage } from '../page/demo.js';
import { IP_UDP_OVERHEAD, type LinkFlags, linkFlags, linkOptionsOf } from './link.js';

interface DemoOptions extends Omit<LinkFlags, 'linkRate'> {
  linkRate?: number;
  nodes: number;
  file?: string;
  size: number;
  kill: number;
  mute: number;
  timeout: number;
  trace?: string;
  page?: Address;
  json?: boolean;
}

export function demoCommand(program: Command): void {
  linkFlags(
    program
      .command('demo')
      .description(
        'broadcast a file in a group of local processes over an emulated lossy network, and check it',
      )
      .option('-n, --nodes <n>', 'members, the origin included', integer(2, 32), 5)
      .option('-f, --file <file>', 'what to broadcast (default: random bytes)')
      .option('--size <mib>', 'MiB of random bytes, without --file', number(0.001, 256), 4)
      .option('--kill <n>', 'members that are killed midway', integer(0, 31), 0)
      .option('--mute <n>', 'members that relay nothing', integer(0, 31), 0)
      .option('--timeout <seconds>', 'give up after so long', number(1, 86400), 180)
      .option('--trace <file>', 'write what the origin measures on its paths to a file, as qlog lines')
      .option(
        '--page <address>',
        'serve a live page at host:port; it begins when somebody looks, and stays until it is told to stop',
        httpAddress,
      )
      .option('--json', 'print one JSON object at the end'),
    { loss: 10, delay: 20, linkRate: undefined },
  ).action((options: DemoOptions) =>
    withInterrupt(async (signal) => {
      const { nodes, kill, mute } = options;
      const mayFail = Math.ceil(nodes / 2) - 1;
      if (kill > mayFail || kill + mute > nodes - 1)
        throw new HeadwaterError(
          'INVALID_ARGUMENT',
          `--kill: expected at most ${mayFail} of ${nodes} members (a quorum must live), and with --mute at most ${nodes - 1}, got ${kill} and ${mute}`,
        );
      const folder = await temporaryFolder('headwater-demo-');
      const page = options.page && (await openDemoPage(options.page, 'demo', namesOf(nodes)));
      const demo = new Demo(options, folder, page);
      if (page) {
        page.ref();
        note(`the page: ${page.url}; the demo begins when you open it`);
        await unlessFired(signal, page.watched()).catch(async (error) => {
          await page.close();
          await rm(folder, { recursive: true, force: true });
          throw error;
        });
      }
      const timeout = AbortSignal.timeout(options.timeout * 1000);
      // A closed pipe ends the process without unwinding.
      process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
      try {
        await demo.run(AbortSignal.any([signal, timeout]));
        if (page) {
          page.end();
          note('the page stays until Ctrl-C');
          await fired(signal);
        }
      } catch (error) {
        if (!timeout.aborted || signal.aborted) throw error;
        throw new HeadwaterError(
          'UNREACHABLE',
          `demo: expected every live member to hold the file within ${options.timeout} s, got too few`,
        );
      } finally {
        await demo.stop();
        await page?.close();
        await rm(folder, { recursive: true, force: true });
      }
    }),
  );
}

class Demo {
  private readonly options: DemoOptions;
  private readonly folder: string;
  /** Mbit/s of each direction of each link. */
  private readonly linkRate: number;
  private readonly members: DemoMember[] = [];
  private readonly children: Child[] = [];
  private readonly page: DemoPage | undefined;
  private emulator: Emulator | undefined;
  /** What the origin's links had delivered when the broadcast began. */
  private before = 0;
  /** What they had delivered since, at times in seconds. */
  private readonly delivered: { seconds: number; bytes: number }[] = [];

  constructor(options: DemoOptions, folder: string, page: DemoPage | undefined) {
    this.options = options;
    this.page = page;
    this.linkRate = options.linkRate ?? Math.min(MAX_RATE, Math.round(CAPACITY / (options.nodes - 1) ** 2));
    this.folder = folder;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { options } = this;
    const { path, bytes } = await this.prepareFile();
    const groupFile = await this.prepareGroup();
    const common = ['--group', groupFile, '--bind', '127.0.0.1:0', '--json'];

    const receivers = this.members.slice(1);
    await Promise.all(
      receivers.map((member) => {
        const args = [
          'receive',
          ...common,
          '--key',
          this.keyFile(member),
          '--out',
          join(this.folder, member.name),
        ];
        return this.start(member, member.isMute ? [...args, '--no-relay'] : args, signal);
      }),
    );
    const [origin] = this.members;
    const send = ['send', path, ...common, '--key', this.keyFile(origin), '--wait', '15'];
    if (options.trace !== undefined) send.push('--trace', options.trace);
    await this.start(origin, send, signal);

    const view = createDemoView(this.members, options.json === true);
    const seconds = await this.untilDone(signal).finally(() => view.stop());
    await this.stop();
    await this.verify(path, bytes.length, bytes, seconds);
  }

  async stop(): Promise<void> {
    await Promise.all(this.children.map((child) => child.stop()));
    await this.emulator?.close();
  }

  private async prepareFile(): Promise<{ path: string; bytes: Uint8Array }> {
    const { file, size } = this.options;
    if (file !== undefined) {
      const bytes = await readFile(file).catch((error) => {
        throw fileError(error, 'a readable file', file);
      });
      return { path: file, bytes };
    }
    const path = join(this.folder, 'random.bin');
    await writeFile(path, randomBytes(Math.round(size * 1024 * 1024)));
    return { path, bytes: await readFile(path) };
  }

  /** Keys, the emulated network, and the group file that names its addresses. */
  private async prepareGroup(): Promise<string> {
    const { nodes, kill, mute, seed } = this.options;
    this.emulator = await startEmulator({
      ports: Array.from({ length: nodes }, () => ({ listen: { host: '127.0.0.1', port: 0 } })),
      link: linkOptionsOf({ ...this.options, linkRate: this.linkRate }),
      seed,
    });
    const file = { headwater: 'group', version: 1, name: 'demo', members: [] as object[] };
    const names = namesOf(nodes);
    for (const [index, { host, port }] of this.emulator.addresses.entries()) {
      const name = names[index];
      // The last ones are killed, those before them are mute.
      const fromEnd = nodes - index;
      const member: DemoMember = {
        name,
        index,
        willBeKilled: fromEnd <= kill,
        isMute: fromEnd > kill && fromEnd <= kill + mute,
        state: 'starting',
        needed: new Map(),
      };
      this.members.push(member);
      const secret = randomBytes(32);
      await writeFile(this.keyFile(member), formatSecretKey(secret), { mode: 0o600 });
      const key = formatPublicKey(keyPair(secret).publicKey);
      file.members.push({ name, key, address: `${host}:${port}` });
    }
    const path = join(this.folder, 'group.json');
    await writeFile(path, JSON.stringify(file));
    return path;
  }

  private keyFile({ name }: DemoMember): string {
    return join(this.folder, `${name}.key`);
  }

  /** Starts a member's process; resolves when it has told its address to the network. */
  private async start(member: DemoMember, args: string[], signal: AbortSignal): Promise<void> {
    const child = spawnCommand(args, (event) => this.onEvent(member, event));
    member.child = child;
    this.children.push(child);
    const ready = await child.first('ready', signal);
    const { host, port } = parseLocator(String(ready.address));
    await this.emulator!.setTarget(member.index, { host, port });
    member.state = 'waiting';
  }

  private onEvent(member: DemoMember, event: Record<string, unknown>): void {
    this.page?.onEvent(member.name, event);
    switch (event.event) {
      case 'start':
        member.startedAt = performance.now();
        this.before = this.sentByOrigin();
        break;
      case 'status':
      case 'end':
      case 'sent':
        member.status = event as unknown as NonNullable<DemoMember['status']>;
        for (const { seq, neededSymbols } of member.status.objects) member.needed.set(seq, neededSymbols);
        if (member.state === 'waiting' && member.status.objects.length > 0) member.state = 'receiving';
        if (member.willBeKilled && member.state === 'receiving') this.killMidway(member);
        if (event.event === 'sent') member.state = 'sent';
        break;
      case 'saved':
        member.state = 'saved';
        member.savedAt = performance.now();
        [member.path] = event.paths as string[];
        break;
    }
  }

  private killMidway(member: DemoMember): void {
    if (!holdsShare(member, KILL_AT)) return;
    member.state = 'killed';
    member.child?.kill();
    this.page?.onKill(member.name);
  }

  /** Seconds from the start of the broadcast until the last live member had saved the file. */
  private async untilDone(signal: AbortSignal): Promise<number> {
    const [origin, ...receivers] = this.members;
    for (;;) {
      if (signal.aborted) throw new HeadwaterError('ABORTED', 'demo: interrupted');
      const exited = this.members.find(
        (member) => member.state !== 'killed' && member.child?.exitCode !== undefined,
      );
      if (exited && exited !== origin) throw this.died(exited);
      const live = receivers.filter((member) => member.state !== 'killed');
      if (origin.child?.exitCode !== undefined) {
        if (origin.state !== 'sent') throw this.died(origin);
        if (live.every((member) => member.state === 'saved'))
          return (Math.max(...live.map((member) => member.savedAt!)) - origin.startedAt!) / 1000;
      }
      if (origin.startedAt !== undefined) {
        const seconds = (performance.now() - origin.startedAt) / 1000;
        this.delivered.push({ seconds, bytes: this.sentByOrigin() - this.before });
      }
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  private died({ name, child }: DemoMember): HeadwaterError {
    return new HeadwaterError(
      'UNREACHABLE',
      `${name}: expected it to run, got exit code ${child?.exitCode}: ${child?.lastWords()}`,
    );
  }

  /** Bytes that the origin's links have delivered so far to members that live, IP and UDP headers included as in the links' rate. */
  private sentByOrigin(): number {
    let bytes = 0;
    for (const { from, to, link } of this.emulator?.counters().directions ?? [])
      if (from === 0 && !this.members[to].willBeKilled)
        bytes += link.deliveredBytes + IP_UDP_OVERHEAD * link.delivered;
    return bytes;
  }

  private async verify(path: string, length: number, bytes: Uint8Array, seconds: number): Promise<void> {
    const { options } = this;
    const digest = toHex(sha256(bytes));
    for (const member of this.members.slice(1))
      member.intact = member.path !== undefined && toHex(sha256(await readFile(member.path))) === digest;
    const [origin, ...receivers] = this.members;
    const ok = receivers.every((member) => member.intact || member.state === 'killed');
    const sentBytes = origin.status?.metrics.sentBytes ?? 0;
    const { total } = this.emulator!.counters();
    const after = this.sentByOrigin();
    const links = this.members.filter((member) => member.state === 'saved').length;
    const mbit = (part: number, time: number) => (part * 8) / time / links / 1e6;
    const deliveredMbit = mbit(after - this.before, seconds);
    const most = this.delivered.find((each) => each.bytes >= MOST * (after - this.before));
    const capacity = this.linkRate * (1 - options.loss / 100);
    const summary: Summary = {
      ok,
      nodes: options.nodes,
      lossPercent: options.loss,
      delayMs: options.delay,
      linkRateMbit: this.linkRate,
      file: { path, bytes: length, sha256: digest },
      seconds,
      goodputMbit: (length * 8) / seconds / 1e6,
      sender: {
        bytes: sentBytes,
        ratio: sentBytes / length,
        linkMbit: deliveredMbit,
        linkShare: capacity > 0 ? deliveredMbit / capacity : null,
        linkShareOfMost: capacity > 0 && most ? mbit(most.bytes, most.seconds) / capacity : null,
      },
      network: {
        sent: total.sent,
        delivered: total.delivered,
        lost: total.lost,
        queueDropped: total.queueDropped,
      },
      members: this.members,
    };
    if (options.json) printJson(printSummary.json(summary));
    else printSummary.table(summary);
    if (!ok) {
      note('headwater: not every live member holds the file');
      process.exitCode = EXIT.failed;
    }
  }
}

function namesOf(nodes: number): string[] {
  return Array.from({ length: nodes }, (_, index) => (index === 0 ? 'origin' : `peer-${index}`));
}

/** Mbit/s of all links together that two cores carry, about; links are given no more, so that the links are what limits. */
const CAPACITY = 250;
const MAX_RATE = 50;
/** Of the bytes delivered: what comes after is single symbols that a block lacks, and waiting for word of them. */
const MOST = 0.95;
/** Members to be killed are when they hold this share of the symbols. */
const KILL_AT = 0.3;
