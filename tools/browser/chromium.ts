/**
 * A browser without a screen, driven over the pipe of its DevTools protocol (chromedevtools.github.io/devtools-protocol). In: addresses and
 * expressions. Out: what they give in the page, and pictures of it. It needs Debian's `chromium-headless-shell` or `chromium`.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

/** The command of a Chromium that is installed; undefined if none is. */
export function findChromium(): string | undefined {
  return NAMES.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
}

export interface Tab {
  /** What an expression gives, as JSON; waits for a promise. */
  evaluate<T>(expression: string): Promise<T>;
  /** Waits until an expression is true, as it is looked at each 50 ms. */
  until(what: string, expression: string): Promise<void>;
  goto(url: string): Promise<void>;
  /** A PNG of the whole page. */
  picture(): Promise<Buffer>;
  setDark(isDark: boolean): Promise<void>;
  /** Seconds of the processor that the page's thread has taken so far. */
  cpuSeconds(): Promise<number>;
  /** What the page has complained about: exceptions, errors, blocked requests. */
  readonly complaints: string[];
  /** All that it has asked for. */
  readonly requests: string[];
}

export interface Browser {
  open(size?: { width: number; height: number }): Promise<Tab>;
  close(): Promise<void>;
}

export function startChromium(command: string): Browser {
  const profile = mkdtempSync(join(tmpdir(), 'headwater-browser-'));
  const args = ['--remote-debugging-pipe', '--no-sandbox', '--disable-gpu', '--hide-scrollbars'];
  const child = spawn(command, [...args, '--no-first-run', `--user-data-dir=${profile}`], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const pipe = new Pipe(child);
  return {
    async open({ width, height } = { width: 1440, height: 1180 }) {
      const { targetId } = await pipe.call<{ targetId: string }>('Target.createTarget', {
        url: 'about:blank',
        width,
        height,
      });
      const { sessionId } = await pipe.call<{ sessionId: string }>('Target.attachToTarget', {
        targetId,
        flatten: true,
      });
      const tab = tabOf(pipe, sessionId);
      for (const domain of ['Page', 'Runtime', 'Network', 'Log'])
        await pipe.call(`${domain}.enable`, {}, sessionId);
      await pipe.call('Performance.enable', { timeDomain: 'threadTicks' }, sessionId);
      await pipe.call(
        'Emulation.setDeviceMetricsOverride',
        { width, height, deviceScaleFactor: 1, mobile: false },
        sessionId,
      );
      return tab;
    },
    async close() {
      const ended = new Promise<void>((done) => child.once('exit', () => done()));
      // Its own children, too: they are of its group.
      if (child.exitCode === null) process.kill(-child.pid!, 'SIGKILL');
      await ended;
      for (const stream of child.stdio) stream?.destroy();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

interface Message {
  id?: number;
  sessionId?: string;
  method?: string;
  params?: Record<string, unknown>;
  result?: unknown;
  error?: { message: string };
}

/** Messages with a zero byte between them: commands to descriptor 3, answers and events from 4. */
class Pipe {
  private readonly input: Writable;
  private readonly waiting = new Map<number, { done(result: unknown): void; fail(error: Error): void }>();
  private readonly listeners: ((message: Message) => void)[] = [];
  private next = 1;

  constructor(child: ChildProcess) {
    this.input = child.stdio[3] as Writable;
    this.input.on('error', () => {});
    let rest = '';
    (child.stdio[4] as Readable).setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\0');
      rest = parts.pop()!;
      for (const part of parts) this.take(JSON.parse(part) as Message);
    });
    child.once('exit', () => {
      for (const { fail } of this.waiting.values()) fail(new Error('the browser has ended'));
    });
  }

  call<T>(method: string, params: object = {}, sessionId?: string): Promise<T> {
    const id = this.next++;
    this.input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise<T>((done, fail) => {
      this.waiting.set(id, { done: done as (result: unknown) => void, fail });
    });
  }

  listen(listener: (message: Message) => void): void {
    this.listeners.push(listener);
  }

  private take(message: Message): void {
    for (const listener of this.listeners) listener(message);
    const waiting = this.waiting.get(message.id ?? 0);
    if (!waiting) return;
    this.waiting.delete(message.id!);
    if (message.error) waiting.fail(new Error(message.error.message));
    else waiting.done(message.result);
  }
}

function tabOf(pipe: Pipe, sessionId: string): Tab {
  const complaints: string[] = [];
  const requests: string[] = [];
  pipe.listen(({ sessionId: of, method, params = {} }) => {
    if (of !== sessionId) return;
    const text = JSON.stringify(params);
    const { entry } = params as { entry?: { level: string } };
    if (method === 'Runtime.exceptionThrown' || entry?.level === 'error') complaints.push(text);
    if (method === 'Network.requestWillBeSent')
      requests.push((params as { request: { url: string } }).request.url);
  });
  const call = <T>(method: string, params: object) => pipe.call<T>(method, params, sessionId);
  const tab: Tab = {
    complaints,
    requests,
    async evaluate<T>(expression: string) {
      const answer = await call<{
        result: { value: T };
        exceptionDetails?: { exception: { description: string } };
      }>('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
      if (answer.exceptionDetails) throw new Error(answer.exceptionDetails.exception.description);
      return answer.result.value;
    },
    async until(what, expression) {
      for (let tries = 0; tries < TRIES; tries++) {
        if (await tab.evaluate(`Boolean(${expression})`).catch(() => false)) return;
        await new Promise((done) => setTimeout(done, 50));
      }
      throw new Error(`expected ${what}, got a page without it: ${complaints.join('; ')}`);
    },
    async goto(url) {
      await call('Page.navigate', { url });
      await tab.until('the page', `document.readyState === 'complete' && location.href !== 'about:blank'`);
    },
    async picture() {
      const { cssContentSize } = await call<{ cssContentSize: { width: number; height: number } }>(
        'Page.getLayoutMetrics',
        {},
      );
      const { data } = await call<{ data: string }>('Page.captureScreenshot', {
        format: 'png',
        captureBeyondViewport: true,
        clip: { ...cssContentSize, x: 0, y: 0, scale: 1 },
      });
      return Buffer.from(data, 'base64');
    },
    async cpuSeconds() {
      const { metrics } = await call<{ metrics: { name: string; value: number }[] }>(
        'Performance.getMetrics',
        {},
      );
      return metrics.find(({ name }) => name === 'TaskDuration')!.value;
    },
    async setDark(isDark) {
      const features = [{ name: 'prefers-color-scheme', value: isDark ? 'dark' : 'light' }];
      await call('Emulation.setEmulatedMedia', { features });
    },
  };
  return tab;
}

const NAMES = ['chromium-headless-shell', 'chromium'];
const TRIES = 1200;
