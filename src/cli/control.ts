/**
 * The control socket of a member: a Unix socket beside its store, for its user alone, by which other commands ask what it does. In: GET
 * over HTTP. Out: its status, and its metrics. Nothing can be changed by it.
 */

import { chmod, lstat, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { connect } from 'node:net';
import type { Command } from 'commander';
import { HeadwaterError } from '../errors.js';
import type { Node } from '../node/node.js';
import { PROMETHEUS_CONTENT_TYPE } from '../node/status/prometheus.js';
import type { NodeStatus, StatusOptions } from '../node/status/shape.js';
import { type HttpServer, serveHttp } from './http.js';

/** Where a member with this store listens. */
export function controlPathOf(store: string): string {
  return `${store}-control`;
}

/** How a command is told which running member to ask. */
export interface RunningOptions {
  store?: string;
  control?: string;
}

/** Adds a command that asks a running member. */
export function runningCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--store <file>', 'the member’s store')
    .option('--control <file>', 'its control socket, where that is not beside its store');
}

/** The control socket of the member that a command is to ask. Throws INVALID_ARGUMENT if it is told neither that nor a store. */
export function controlOf({ store, control }: RunningOptions): string {
  const path = control ?? (store === undefined ? undefined : controlPathOf(store));
  if (path !== undefined) return path;
  throw new HeadwaterError('INVALID_ARGUMENT', 'expected --store or --control of the member, got neither');
}

/** Listens at `path`, in place of what a member that was killed has left there. Throws NETWORK. */
export async function openControl(path: string, node: Pick<Node, 'status' | 'metrics'>): Promise<HttpServer> {
  if (Buffer.byteLength(path) > MAX_PATH)
    throw new HeadwaterError(
      'NETWORK',
      `control socket: expected a path of at most ${MAX_PATH} bytes, got ${Buffer.byteLength(path)}: ${path}`,
    );
  await clear(path);
  // Nobody else is let in, not even until the mode is set.
  const mask = process.umask(0o177);
  const serving = serveHttp(
    'control socket',
    { path },
    {
      '/status': {
        type: 'application/json',
        text: (query) => `${JSON.stringify(node.status({ detail: query.has('detail') }))}\n`,
      },
      '/metrics': { type: PROMETHEUS_CONTENT_TYPE, text: () => node.metrics() },
    },
  );
  process.umask(mask);
  const server = await serving;
  await chmod(path, 0o600);
  return server;
}

/** Asks the member that listens at `path`. Throws UNREACHABLE if there is none. */
export function askStatus(path: string, { detail }: StatusOptions = {}): Promise<NodeStatus> {
  return new Promise<string>((done, fail) => {
    const asked = detail ? '/status?detail' : '/status';
    const request = get({ socketPath: path, path: asked, timeout: PATIENCE_MS }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => done(Buffer.concat(parts).toString('utf8')));
      response.on('error', fail);
    });
    request.on('timeout', () =>
      request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    );
    request.on('error', fail);
  }).then(
    (text) => JSON.parse(text) as NodeStatus,
    (cause: NodeJS.ErrnoException) => {
      const got = REASONS[cause.code ?? ''] ?? cause.code;
      throw new HeadwaterError('UNREACHABLE', `control socket: expected a member at ${path}, got ${got}`, {
        cause,
      });
    },
  );
}

async function clear(path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined);
  if (!there) return;
  if (!there.isSocket())
    throw new HeadwaterError('NETWORK', `control socket: expected nothing yet at ${path}, got a file`);
  if (await isAnswered(path))
    throw new HeadwaterError(
      'NETWORK',
      `control socket: expected one that nobody uses, got ${path}, where another member listens`,
    );
  await rm(path, { force: true });
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}

const REASONS: Record<string, string> = {
  ENOENT: 'nothing: no member runs with this store, or it has no control socket',
  ECONNREFUSED: 'a socket on which nobody listens: the member that made it has ended',
  EACCES: 'no permission: only the user that runs the member may ask it',
  ETIMEDOUT: 'no answer: the member is stopped, or its processor is busy elsewhere',
};
/** Of `sun_path` in Linux and macOS, less the zero behind it (man 7 unix). */
const MAX_PATH = process.platform === 'linux' ? 107 : 103;
const PATIENCE_MS = 5000;
