/**
 * Where the nodes of a cell are: network namespaces as root, else loopback with the UDP link emulator in between.
 * In: how many nodes, what the links do. Out: addresses, a way to start a node's process, and to change the links.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { startEmulator } from '../../src/emulator/emulator.js';
import { iid } from '../../src/sim/net/loss.js';
import { labUnavailable, openLab } from './lab.js';

/** On every node's link, in each direction: from node to node it is met twice, the delay in halves. */
export interface Links {
  lossPercent: number;
  /** From node to node. */
  delayMs: number;
}

export interface Site extends AsyncDisposable {
  name: SiteName;
  /** Where the others reach a node, `host:port`. */
  locator(node: number): string;
  /** Where a node itself has to listen. */
  bind(node: number): string;
  spawn(node: number, command: string, args: readonly string[], options: SpawnOptions): ChildProcess;
  shape(links: Links): Promise<void>;
}

export type SiteName = 'namespaces' | 'emulator';

export async function openSite(nodes: number, links: Links): Promise<Site> {
  return labUnavailable() === undefined ? namespaces(nodes, links) : emulated(nodes, links);
}

async function namespaces(nodes: number, links: Links): Promise<Site> {
  const lab = await openLab({ nodes, ...links });
  const address = (node: number) => `${lab.address(node)}:${PORT}`;
  return {
    name: 'namespaces',
    locator: address,
    bind: address,
    spawn: lab.spawn,
    shape: (changed) => lab.shape(changed),
    [Symbol.asyncDispose]: () => lab.close(),
  };
}

async function emulated(nodes: number, links: Links): Promise<Site> {
  const targets = await Promise.all(Array.from({ length: nodes }, freePort));
  const rule = ({ lossPercent, delayMs }: Links) => ({
    delay: delayMs * 1000,
    loss: iid(1 - (1 - lossPercent / 100) ** 2),
  });
  const emulator = await startEmulator({
    ports: targets.map((port) => ({ listen: { host: HOST, port: 0 }, to: { host: HOST, port } })),
    link: rule(links),
    seed: 'resilience',
  });
  const children = new Set<ChildProcess>();
  return {
    name: 'emulator',
    locator: (node) => `${HOST}:${emulator.addresses[node].port}`,
    bind: (node) => `${HOST}:${targets[node]}`,
    spawn(_, command, args, options) {
      const child = spawn(command, args, options);
      children.add(child);
      return child;
    },
    async shape(changed) {
      emulator.update(rule(changed));
    },
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill('SIGKILL');
      await emulator.close();
    },
  };
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((done) => socket.bind(0, HOST, done));
  const { port } = socket.address();
  await new Promise<void>((done) => socket.close(done));
  return port;
}

const PORT = 7000;
const HOST = '127.0.0.1';
