/** `headwater send PATH...` without a group: prints a code, waits for those who are told it, and sends to them. */
import { createInterface } from 'node:readline';
import { renderUnicodeCompact } from 'uqr';
import { HeadwaterError } from '../../errors.js';
import { readSource, survey } from '../../file/source.js';
import { parseAt, parseCode } from '../../rendezvous/code.js';
import { locatorOf } from '../../rendezvous/contents.js';
import { type HostEvent, MAX_WRONG } from '../../rendezvous/host.js';
import { type Lobby, openLobby } from '../../rendezvous/lan/lobby.js';
import { machineHosts } from '../../rendezvous/lan/machine.js';
import { EXIT, formatBytes, interrupted, note, print, printJson, sleep, tellJson } from '../io.js';
import type { MemberOptions } from '../member.js';
import { createProgress, type Progress } from '../terminal/progress.js';
import { keepYoungSpaceSmall } from '../transfer/heap.js';
import { type MulticastFlags, multicastOf } from '../transfer/multicast.js';
import { inputOf } from './input.js';
import { CODE_VARIABLE } from './receive.js';
import { type Participant, Waves } from './waves.js';

export interface SendByCodeOptions extends MemberOptions, MulticastFlags {
  name?: string;
  symlinks: 'skip' | 'refuse';
  exclude?: string[];
  timeout: number;
  at?: string;
  expect?: number;
  qr?: boolean;
  /** Seconds; undefined if it was not given. */
  startAfter: number | undefined;
}

export async function sendByCode(
  paths: string[],
  options: SendByCodeOptions,
  signal: AbortSignal,
): Promise<void> {
  keepYoungSpaceSmall();
  const given = process.env[CODE_VARIABLE];
  const code = given === undefined || given === '' ? undefined : parseCode(given);
  const at = options.at === undefined ? code?.at : parseAt(options.at, '--at');
  await using input = await inputOf(paths, options.name, signal);
  const { name, symlinks, exclude } = options;
  multicastOf(options);
  // Whoever may not read it is told before anybody has come; what has been read by then is not waited for.
  const found = await survey(input.paths, { name, symlinks, exclude, signal });
  const reading = new AbortController();
  using _reading = { [Symbol.dispose]: () => reading.abort() };
  const source = readSource(found, AbortSignal.any([signal, reading.signal]));
  // It is told where it is waited for.
  source.catch(() => {});
  const session = new Session(input.files, options);
  await using lobby = await openLobby({ code, at, onEvent: (event) => session.onEvent(event) });
  const port = at === undefined ? undefined : lobby.port + 1;
  await using waves = new Waves({
    ...options,
    source,
    timeout: options.timeout * 1000,
    port,
    signal,
  });
  await session.run(lobby, waves, signal);
}

class Session {
  private readonly files: string[];
  private readonly options: SendByCodeOptions;
  /** Places for receivers; undefined: any number. */
  private readonly expect: number | undefined;
  /** Whether Enter begins it. */
  private readonly isAsked: boolean;
  private waves: Waves | undefined;
  private lobby: Lobby | undefined;
  private enter = false;
  private firstAt: number | undefined;
  private lastAt = performance.now();
  /** Since when nothing is under way. */
  private idleSince = performance.now();
  private isBegun = false;
  private hasToldStart = false;
  private toldIdle = false;

  constructor(files: string[], options: SendByCodeOptions) {
    this.files = files;
    this.options = options;
    const isOpen = options.expect === undefined && options.startAfter === undefined;
    this.isAsked = isOpen && process.stdin.isTTY === true && !process.stdin.destroyed && !this.readsStdin;
    this.expect = options.expect ?? (isOpen && !this.isAsked ? 1 : undefined);
  }

  async run(lobby: Lobby, waves: Waves, signal: AbortSignal): Promise<void> {
    this.lobby = lobby;
    this.waves = waves;
    this.tellCode(lobby);
    using _keyboard = this.isAsked ? this.listen() : undefined;
    const bar = createProgress(this.options.json ? 'silent' : 'bar', () => this.progress());
    try {
      const startedAt = performance.now();
      for (let told = ''; ; await sleep(LOOK_MS)) {
        if (signal.aborted) throw interrupted();
        if (waves.failure) throw waves.failure;
        waves.look();
        if (this.expect !== undefined) lobby.setRoom(this.expect - waves.used, this.expect);
        if (this.mayBegin()) await this.begin();
        told = this.tellProgress(told);
        if (this.isOver(startedAt)) break;
      }
    } finally {
      bar.stop();
    }
    this.tellEnd();
  }

  onEvent(event: HostEvent): void {
    const { json } = this.options;
    const here = this.lobby?.waiting().length ?? 0;
    const expected = this.expect === undefined ? '' : ` of ${this.expect}`;
    if (event.type === 'wrong') {
      const { address, count } = event;
      if (json) printJson({ event: 'wrong-code', address, count, most: MAX_WRONG });
      else
        note(
          `a wrong code from ${address}, the ${ordinal(count)} of ${MAX_WRONG}${count < MAX_WRONG ? '' : ': nobody new is let in from now on; those who have joined stay'}`,
        );
      return;
    }
    const { guest } = event;
    const { address } = guest;
    if (event.type === 'joined') this.waves?.meet(guest, this.lobby?.waiting() ?? []);
    const name = this.waves?.nameOf(guest) ?? guest.join.name;
    if (event.type === 'left') {
      if (json) printJson({ event: 'left', name, address });
      else note(`${name} at ${address} ${event.said ? 'has left' : 'has gone silent'}; ${here} waiting`);
      return;
    }
    const now = performance.now();
    this.firstAt ??= now;
    this.lastAt = now;
    if (json) printJson({ event: 'joined', name, address, here, expected: this.expect ?? null });
    else if (this.isBegun)
      note(`${name} at ${address} has come later: it gets the files in a group of its own`);
    else
      note(
        `${name} at ${address} has joined: ${here}${expected} here${this.isAsked ? '; Enter begins' : ''}`,
      );
  }

  private get readsStdin(): boolean {
    return this.options.name !== undefined && this.files[0] === this.options.name;
  }

  private tellCode({ code, port, problems }: Lobby): void {
    const { json, qr } = this.options;
    const hosts = machineHosts().filter((host) => host !== '127.0.0.1');
    const at = code.at ?? locatorOf(hosts[0] ?? '127.0.0.1', port);
    const whole = code.at === undefined ? code.text : `${code.text}@${code.at}`;
    if (json)
      printJson({ event: 'code', code: whole, number: code.number, at, expected: this.expect ?? null });
    else {
      print(whole);
      note(`on each receiving machine:  headwater receive ${whole}`);
      if (code.at === undefined) note(`where that does not find it: headwater receive ${code.text}@${at}`);
      if (this.isAsked) note('Enter begins, once they are there');
      else if (this.expect !== undefined)
        note(`it begins once ${this.expect} ${this.expect === 1 ? 'is' : 'are'} there`);
    }
    if (qr) process.stderr.write(`${renderUnicodeCompact(`${code.text}@${at}`)}\n`);
    setTimeout(() => {
      if (problems.size === 0 || code.at !== undefined || json) return;
      note(`multicast does not work at ${[...problems].map(([host, why]) => `${host} (${why})`).join(', ')}`);
    }, PROBLEMS_MS).unref();
  }

  private listen(): Disposable {
    const lines = createInterface({ input: process.stdin });
    lines.on('line', () => {
      this.enter = true;
      if (!this.isBegun && this.lobby?.waiting().length === 0) note('nobody has joined yet');
    });
    return { [Symbol.dispose]: () => lines.close() };
  }

  private mayBegin(): boolean {
    const { waves, lobby, expect, options } = this;
    const here = lobby!.waiting().length;
    const now = performance.now();
    const isPressed = this.enter;
    if (waves!.isReady) this.enter = false;
    if (here === 0 || !waves!.isReady) return false;
    if (this.isBegun) return waves!.hasRoom && now - this.lastAt >= TOGETHER_MS;
    const isWaited = options.startAfter !== undefined && now - this.firstAt! >= options.startAfter * 1000;
    return isPressed || isWaited || (expect !== undefined && here >= expect);
  }

  private async begin(): Promise<void> {
    const here = this.lobby!.waiting().map((guest) => this.waves!.nameOf(guest));
    if (!this.isBegun && !this.options.json) note(`to ${here.length}: ${here.join(', ')}`);
    this.isBegun = true;
    await this.waves!.begin(this.lobby!);
  }

  /** All have it, or those who have it not are not waited for any more. */
  private isOver(startedAt: number): boolean {
    const { waves, lobby, options, expect } = this;
    const now = performance.now();
    const isWaiting = lobby!.waiting().length > 0;
    if (!this.isBegun) {
      if (isWaiting || now - Math.max(startedAt, this.lastAt) < options.timeout * 1000) return false;
      throw new HeadwaterError(
        'UNREACHABLE',
        `send: expected receivers with the code, got none for ${options.timeout} s`,
      );
    }
    if (isWaiting || !waves!.isOver) {
      this.idleSince = now;
      return false;
    }
    const all = waves!.participants;
    const settled = all.filter(({ receiver }) => receiver?.state === 'saved' || receiver?.state === 'failed');
    const missing = Math.max(all.length, expect ?? 0) - settled.length;
    return missing <= 0 || now - this.idleSince >= Math.min(RETURN_MS, options.timeout * 1000);
  }

  private progress(): Progress[] {
    const { waves } = this;
    const total = waves?.sending?.manifest.bytes;
    if (total === undefined) return [];
    return waves!.participants.flatMap(({ name, receiver }) => {
      if (!receiver || receiver.state === 'failed' || receiver.state === 'absent') return [];
      const { state, bytes } = receiver;
      return [{ name, done: bytes, total: Math.max(1, total), ...(state === 'receiving' ? {} : { state }) }];
    });
  }

  private tellProgress(told: string): string {
    const { waves, options, files } = this;
    const { sending } = waves!;
    if (!sending) return told;
    const { manifest, root } = sending;
    if (!this.hasToldStart) {
      this.hasToldStart = true;
      if (options.json) printJson({ event: 'start', files, bytes: manifest.bytes, root });
      else {
        note(`${files.join(', ')}: ${formatBytes(manifest.bytes)}`);
        for (const path of sending.skipped) note(`not sent, as it is a symbolic link or a device: ${path}`);
      }
    }
    const receivers = waves!.participants.map(({ name, receiver }) => {
      const { state = 'absent', bytes = 0, reason = '' } = receiver ?? {};
      return { name, state, bytes, ...(reason === '' ? {} : { reason }) };
    });
    const text = JSON.stringify(receivers);
    if (text !== told && options.json) tellJson({ event: 'progress', bytes: manifest.bytes, receivers });
    if (!options.json) this.tellWaiting();
    return text;
  }

  /** Who has gone midway may come back: said once each time. */
  private tellWaiting(): void {
    const isIdle = this.waves!.isOver && performance.now() - this.idleSince > SAY_IDLE_MS;
    if (isIdle && !this.toldIdle) {
      const gone = this.waves!.participants.filter(isMissing).map(({ name }) => name);
      const who = gone.length > 0 ? gone.join(', ') : 'those who are still expected';
      note(`waiting ${RETURN_MS / 1000} s for ${who}: the same code goes on with what is there; Ctrl-C ends`);
    }
    this.toldIdle = isIdle;
  }

  private tellEnd(): void {
    const { waves, options, files, lobby, expect } = this;
    const all = waves!.participants;
    const named = (state: string) => all.filter(({ receiver }) => receiver?.state === state);
    const saved = named('saved').map(({ name }) => name);
    const failed = named('failed').map(({ name, receiver }) => ({ name, reason: receiver!.reason }));
    const missing = all.filter(isMissing).map(({ name }) => name);
    const absent = Math.max(0, (expect ?? 0) - all.length);
    const { manifest, root, skipped } = waves!.sending!;
    const { sentBytes, count } = waves!;
    const ratio = sentBytes / Math.max(1, manifest.bytes);
    if (options.json)
      printJson({
        event: 'sent',
        ...{
          files,
          bytes: manifest.bytes,
          entries: manifest.entries.length,
          root,
          ratio,
          sentBytes,
          skipped,
        },
        ...{ saved, failed, missing, absent, waves: count, wrongCodes: lobby!.wrong },
      });
    else {
      for (const file of files) print(`${root}  ${file}`);
      note(
        `${saved.length} of ${all.length + absent} receivers have saved it; sent ${ratio.toFixed(2)} times its size`,
      );
      for (const { name, reason } of failed) note(`not saved by ${name}: ${reason}`);
      for (const name of missing) note(`not saved by ${name}: it has gone`);
      if (absent > 0) note(`${absent} of ${expect} expected receivers did not come`);
      if (lobby!.wrong > 0) note(`${lobby!.wrong} wrong codes have come`);
    }
    if (saved.length < all.length + absent) process.exitCode = saved.length > 0 ? EXIT.partial : EXIT.failed;
  }
}

function isMissing({ receiver }: Participant): boolean {
  return receiver?.state !== 'saved' && receiver?.state !== 'failed';
}

function ordinal(count: number): string {
  return ['1st', '2nd', '3rd'][count - 1] ?? `${count}th`;
}

const LOOK_MS = 100;
/** Those who come later within that time are one wave. */
const TOGETHER_MS = 700;
/** Who has gone without a word is waited for so long, once nothing else is to do. */
const RETURN_MS = 60_000;
const SAY_IDLE_MS = 1000;
const PROBLEMS_MS = 1500;
