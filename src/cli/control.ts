/**
 * The control socket of a member: a Unix socket beside its store, for its user alone, by which other commands ask what it does. In: GET
 * over HTTP. Out: its status, and its metrics. What can be changed by it is how much the member says (PUT /log-level), and the epoch of a group that changes, by what its operators have signed (PUT /group).
 */

import { chmod, lstat, rm } from 'node:fs/promises';
import { request as startRequest } from 'node:http';
import { connect } from 'node:net';
import type { Command } from 'commander';
import { HeadwaterError } from '../errors.js';
import type { Node } from '../node/node.js';
import { PROMETHEUS_CONTENT_TYPE } from '../node/status/prometheus.js';
import type { NodeStatus, StatusOptions } from '../node/status/shape.js';
import { type HttpServer, type Page, serveHttp } from './http.js';
import { LOG_LEVELS, type LogLevel } from './logging/level.js';

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

/**
 * Listens at `path`, in place of what a member that was killed has left there. Throws NETWORK.
 *
 * @param log whose level may be asked and set
 * @param give takes the path of a group file that goes on from the member's; returns what was expected, if it was something else
 */
export async function openControl(
  path: string,
  node: Pick<Node, 'status' | 'metrics'>,
  log?: { level: LogLevel },
  give?: (file: string) => string | undefined,
): Promise<HttpServer> {
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
      ...(log && { '/log-level': levelPage(log) }),
      ...(give && { '/group': groupPage(give) }),
    },
  );
  process.umask(mask);
  const server = await serving;
  await chmod(path, 0o600);
  return server;
}

/** Asks the member that listens at `path`. Throws UNREACHABLE if there is none. */
export async function askStatus(path: string, { detail }: StatusOptions = {}): Promise<NodeStatus> {
  return JSON.parse(await ask(path, 'GET', detail ? '/status?detail' : '/status')) as NodeStatus;
}

/** How much it says, once it has been told to say as much as `level`, if that is given. Throws UNREACHABLE. */
export async function askLogLevel(path: string, level?: LogLevel): Promise<{ level: LogLevel }> {
  const asked = level === undefined ? '/log-level' : `/log-level?level=${level}`;
  return JSON.parse(await ask(path, level === undefined ? 'GET' : 'PUT', asked)) as { level: LogLevel };
}

/** Gives it a group file that goes on from its own. Throws UNREACHABLE, with what the member says against it. */
export async function giveGroup(path: string, file: string): Promise<void> {
  await ask(path, 'PUT', `/group?file=${encodeURIComponent(file)}`);
}

function groupPage(give: (file: string) => string | undefined): Page {
  return {
    type: 'application/json',
    text: () => `${JSON.stringify({ taken: true })}\n`,
    change: (query) => give(query.get('file') ?? ''),
  };
}

function levelPage(log: { level: LogLevel }): Page {
  return {
    type: 'application/json',
    text: () => `${JSON.stringify({ level: log.level })}\n`,
    change(query) {
      const level = LOG_LEVELS.find((each) => each === query.get('level'));
      if (!level)
        return `level: expected one of ${LOG_LEVELS.join(', ')}, got ${query.get('level') ?? 'none'}`;
      log.level = level;
      return undefined;
    },
  };
}

async function ask(path: string, method: 'GET' | 'PUT', what: string): Promise<string> {
  const { status, text } = await send(path, method, what).catch((cause: NodeJS.ErrnoException) => {
    const got = REASONS[cause.code ?? ''] ?? cause.code;
    throw new HeadwaterError('UNREACHABLE', `control socket: expected a member at ${path}, got ${got}`, {
      cause,
    });
  });
  if (status === 200) return text;
  throw new HeadwaterError(
    'UNREACHABLE',
    `control socket: expected a member that knows ${what.split('?')[0]}, got ${status}: ${text.trim()}`,
  );
}

function send(path: string, method: string, what: string): Promise<{ status: number; text: string }> {
  return new Promise((done, fail) => {
    const options = { socketPath: path, path: what, method, timeout: PATIENCE_MS };
    const request = startRequest(options, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () =>
        done({ status: response.statusCode!, text: Buffer.concat(parts).toString('utf8') }),
      );
      response.on('error', fail);
    });
    request.on('timeout', () =>
      request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    );
    request.on('error', fail);
    request.end();
  });
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
