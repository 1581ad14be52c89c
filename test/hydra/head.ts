/**
 * A head's worth of fake hydra-nodes on loopback, each with the `etcd` it finds: real etcd or whatever a kind puts on its PATH.
 * In: a kind, a release, how many. Out: seats, whose deliveries and events are kept over all their starts.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { clientAddress, type EtcdLine } from '../../tools/lab/hydra/child.js';
import type { Frame } from '../../tools/lab/hydra/frames.js';
import { connectGrpc, type GrpcConnection } from '../../tools/lab/hydra/grpc.js';
import { type HydraEvent, type HydraNode, startHydraNode } from '../../tools/lab/hydra/node.js';
import type { ReleaseName } from '../../tools/lab/hydra/releases.js';
import { canBind } from '../e2e/cli.js';

/** A program that calls itself `etcd`. A new one is one of these and a test file of one line. */
export interface EtcdKind {
  name: string;
  /** Why it cannot run here. */
  unavailable?: string | undefined;
  /** A folder with it, which comes first on the PATH; without it the one that is installed is meant. */
  path?: string | undefined;
  /** Of its environment. */
  env?: NodeJS.ProcessEnv;
  /** A line of its log as a hydra-node expects it, where it words it otherwise. */
  reword?(line: EtcdLine): EtcdLine;
  /** Why a scenario cannot hold for it. */
  lacks: Partial<Record<Lack, string>>;
}

export type Lack = 'compaction' | 'large' | 'orphan';

export interface HeadOptions {
  kind: EtcdKind;
  release: ReleaseName;
  nodes: number;
  /** Of each node, instead of the release's. */
  versions?: readonly number[];
  /** The peers that a node is told of; default: all others. */
  peersOf?(node: number, addresses: readonly string[]): string[];
}

export interface Seat {
  readonly address: string;
  /** Where its etcd is spoken to. */
  readonly client: string;
  readonly directory: string;
  node: HydraNode | undefined;
  /** Over all starts. */
  readonly delivered: string[];
  readonly events: HydraEvent[];
  readonly log: string[];
  readonly frames: Frame[];
  /** What it does with a message. */
  consume(message: string): void | Promise<void>;
}

export interface Head extends AsyncDisposable {
  readonly seats: readonly Seat[];
  start(...nodes: number[]): Promise<void>;
  stop(...nodes: number[]): Promise<void>;
  kill(...nodes: number[]): Promise<void>;
  /** One after the other, each once the one before it is in the queue. */
  send(node: number, ...messages: string[]): Promise<void>;
  /** Rejects when it has not come true for long, or a node has ended by itself. */
  until(condition: () => boolean, what: string): Promise<void>;
  /** Waits until a node has delivered these messages in this order and nothing else. */
  delivered(node: number, messages: readonly string[]): Promise<void>;
  /** Waits until a node has been told of this since `from` events ago. */
  told(node: number, event: Partial<HydraEvent>, from?: number): Promise<void>;
  /** A connection to a node's etcd, as another client of it. */
  connect(node: number): Promise<GrpcConnection>;
}

export async function openHead(options: HeadOptions): Promise<Head> {
  const { kind, release, versions } = options;
  const directory = await mkdtemp(join(tmpdir(), 'headwater-hydra-'));
  const addresses = (await freeHydraPorts(options.nodes)).map((port) => `${HOST}:${port}`);
  const closed = new AbortController();
  const seats = addresses.map(
    (address, i): Seat => ({
      address,
      client: clientAddress(address),
      directory: join(directory, String(i)),
      node: undefined,
      delivered: [],
      events: [],
      log: [],
      frames: [],
      consume: () => {},
    }),
  );
  const peersOf = options.peersOf ?? ((node, all) => all.filter((_, i) => i !== node));
  const show = () =>
    seats
      .map(
        ({ delivered, events, log, node }, i) =>
          `  node ${i}: ${node?.failure ?? (node ? 'runs' : 'is stopped')}; ${delivered.length} delivered, the last ` +
          `${delivered.slice(-3).map((message) => message.slice(0, 40))}; ${events.slice(-8).map(brief).join(', ')}\n    ${log.slice(-3).join('\n    ')}`,
      )
      .join('\n');
  const end = (how: 'stop' | 'kill') => async (nodes: number[]) => {
    await Promise.all(
      nodes.map(async (i) => {
        const { node } = seats[i];
        seats[i].node = undefined;
        await node?.[how]();
      }),
    );
  };
  const head: Head = {
    seats,
    async start(...nodes) {
      for (const i of nodes) {
        const seat = seats[i];
        seat.node = await startHydraNode({
          release,
          directory: seat.directory,
          listen: seat.address,
          peers: peersOf(i, addresses),
          path: kind.path,
          tied: true,
          env: kind.env ?? {},
          ...(kind.reword === undefined ? {} : { reword: kind.reword }),
          ...(versions === undefined ? {} : { protocolVersion: versions[i] }),
          async deliver(message) {
            await seat.consume(message.toString());
            seat.delivered.push(message.toString());
          },
          onEvent: (event) => seat.events.push(event),
          onLine: ({ raw }) => seat.log.push(raw),
          onFrame: (frame) => seat.frames.push(frame),
        });
      }
    },
    stop: (...nodes) => end('stop')(nodes),
    kill: (...nodes) => end('kill')(nodes),
    async send(i, ...messages) {
      for (const message of messages) await seats[i].node!.broadcast(Buffer.from(message));
    },
    async until(condition, what) {
      const deadline = Date.now() + PATIENCE_MS;
      while (!condition()) {
        if (seats.some(({ node }) => node?.failure !== undefined) || Date.now() > deadline)
          throw new Error(`expected ${what}, got\n${show()}`);
        await new Promise((done) => setTimeout(done, POLL_MS));
      }
    },
    async delivered(i, messages) {
      const { delivered } = seats[i];
      await head.until(() => delivered.length >= messages.length, `${messages.length} at node ${i}`);
      expect(delivered).toEqual(messages);
    },
    async told(i, event, from = 0) {
      const { events } = seats[i];
      const matches = (told: HydraEvent) =>
        Object.entries(event).every(([key, value]) => told[key as keyof HydraEvent] === value);
      await head.until(() => events.slice(from).some(matches), `node ${i} told of ${brief(event)}`);
    },
    connect: (i) => connectGrpc(seats[i].client, { signal: closed.signal }),
    async [Symbol.asyncDispose]() {
      closed.abort();
      // What is asserted is over: nothing has to end well.
      await head.kill(...seats.keys());
      await rm(directory, { recursive: true, force: true });
    },
  };
  return head;
}

/**
 * Ports of 127.0.0.1 which are free for TCP and UDP, and for whose client ports that holds too. Below the range from which the
 * system serves requests for any port.
 */
async function freeHydraPorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = 14_000 + Math.floor(Math.random() * 15_000);
    const client = Number(clientAddress(`${HOST}:${port}`).split(':')[1]);
    if (taken.has(port) || taken.has(client)) continue;
    taken.add(port).add(client);
    if ((await isFree(port)) && (await isFree(client))) ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((done) => {
    server.once('error', () => done(false)).listen(port, HOST, () => done(true));
  });
  await new Promise((done) => server.close(done));
  return free && canBind(port, HOST);
}

function brief(event: Partial<HydraEvent>): string {
  return Object.values(event).join(' ');
}

const HOST = '127.0.0.1';
const PATIENCE_MS = 100_000;
const POLL_MS = 2;
const taken = new Set<number>();
