/**
 * The live page over HTTP: its files, and what happens as server-sent events. In: where to listen, what to send. Out: a server that is
 * read only. Nobody but a browser on this machine that was given the address by its user may read it: other names for this machine are
 * refused (DNS rebinding), other origins get no permission, and where others could reach the port a token is asked for.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { isIP } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type HttpServer, isByPage, type Page, type Refusal, serveHttp } from '../http.js';

export interface PageServer extends HttpServer {
  /** What to open in a browser. */
  readonly url: string;
}

/**
 * Serves the page at an address. Throws NETWORK.
 *
 * @param watch is given each watcher that comes
 */
export async function servePage(
  { host, port }: { host: string; port: number },
  watch: (response: ServerResponse) => void,
): Promise<PageServer> {
  const token = isLoopback(host) ? undefined : randomBytes(16).toString('hex');
  const pages: Record<string, Page> = {
    ...(await assets()),
    '/events': { type: 'text/event-stream', stream: watch },
  };
  // The port is not known before it listens.
  let bound = port;
  const server = await serveHttp('page', { host, port }, pages, {
    refuse: (request) => refusalOf(request, host, bound, token),
    headers: SAFE,
  });
  bound = (server.address as { port: number }).port;
  const query = token === undefined ? '' : `?token=${token}`;
  return { ...server, url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}/${query}` };
}

function refusalOf(
  request: IncomingMessage,
  host: string,
  port: number,
  token: string | undefined,
): Refusal | undefined {
  const { headers, url = '/' } = request;
  // A link on another page may lead here; nothing of another page may read what is here.
  if (isByPage(request) && headers['sec-fetch-site'] !== 'same-origin')
    return { status: 403, text: 'expected a request of this page itself, got one of another site\n' };
  if (token === undefined) {
    const names = ['localhost', '127.0.0.1', '[::1]', host].map((name) => `${name}:${port}`);
    if (port === 80) names.push('localhost', '127.0.0.1', '[::1]', host);
    if (names.includes(headers.host ?? '')) return undefined;
    return { status: 403, text: `expected Host to be one of ${names.join(', ')}, got another name\n` };
  }
  const cookie = `headwater-page-${port}`;
  const given = new RegExp(`(?:^|; )${cookie}=([0-9a-f]+)`).exec(headers.cookie ?? '')?.[1];
  if (isSame(given, token)) return undefined;
  const [path, query] = url.split('?');
  if (isSame(new URLSearchParams(query).get('token') ?? undefined, token))
    // From here on the token is in no address any more.
    return {
      status: 303,
      text: 'see /\n',
      headers: { location: path, 'set-cookie': `${cookie}=${token}; HttpOnly; SameSite=Strict; Path=/` },
    };
  return {
    status: 401,
    text: 'expected the token that the member has told on its stderr: /?token=TOKEN\n',
  };
}

function isSame(given: string | undefined, token: string): boolean {
  if (given?.length !== token.length) return false;
  return timingSafeEqual(Buffer.from(given), Buffer.from(token));
}

/** Whether nobody but this machine can reach what is bound there. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

/** The files of the page, all in the package: it asks no other server for anything. */
async function assets(): Promise<Record<string, Page>> {
  const folder = new URL('./client/', import.meta.url);
  const names = (await readdir(folder)).filter((name) => /\.(js|css|html|svg)$/.test(name));
  const files: [path: string, file: URL | string][] = names.map((name) => [
    name === 'index.html' ? '/' : `/${name}`,
    new URL(name, folder),
  ]);
  const { resolve } = createRequire(import.meta.url);
  files.push(['/uplot.js', resolve('uplot/dist/uPlot.esm.js')]);
  files.push(['/uplot.css', resolve('uplot/dist/uPlot.min.css')]);
  const pages = files.map(async ([path, file]) => {
    const text = await readFile(file, 'utf8');
    const name = typeof file === 'string' ? file : fileURLToPath(file);
    const type = TYPES[name.slice(name.lastIndexOf('.') + 1)];
    return [path, { type, text: () => text }] as const;
  });
  return Object.fromEntries(await Promise.all(pages));
}

const TYPES: Record<string, string> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  svg: 'image/svg+xml',
};
const SAFE = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
};
