/**
 * What this process says to who asks over HTTP: a few texts, made when they are asked for. In: GET, and PUT of what may be changed, which is said
 * where it may. Out: an answer.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { HeadwaterError } from '../errors.js';

/** What an answer is, and its media type: a text, or one that goes on. */
export type Page =
  | {
      type: string;
      text(query: URLSearchParams): string;
      /** PUT does this, before the text is made; returns what was expected, if it was something else. Without it nothing can be changed. */
      change?(query: URLSearchParams): string | undefined;
    }
  | { type: string; stream(response: ServerResponse): void };

/** What is asked of all requests, and said with all answers. */
interface Rules {
  /** Why a request gets no page, if so. */
  refuse?: (request: IncomingMessage) => Refusal | undefined;
  headers?: Readonly<Record<string, string>>;
}

/** An answer without a page. */
export interface Refusal {
  status: number;
  text: string;
  headers?: Readonly<Record<string, string>>;
}

export interface HttpServer {
  /** Where it listens. */
  readonly address: ReturnType<Server['address']>;
  /** Keeps the process running. */
  ref(): void;
  close(): Promise<void>;
}

/**
 * Listens at a port or a Unix socket. Throws NETWORK.
 *
 * @param what named at the start of the error
 * @param pages by path
 */
export async function serveHttp(
  what: string,
  where: { host: string; port: number } | { path: string },
  pages: Readonly<Record<string, Page>>,
  rules: Rules = {},
): Promise<HttpServer> {
  const server = createServer(
    { requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS },
    (request, response) => {
      const page = pages[pathOf(request)];
      const query = new URLSearchParams(request.url?.split('?')[1]);
      const refusal = rules.refuse?.(request) ?? refusalOf(request, page, query, Object.keys(pages));
      const headers = { ...rules.headers, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
      if (!refusal && 'stream' in page!) {
        response.writeHead(200, { ...headers, 'content-type': page.type });
        if (request.method === 'HEAD') response.end();
        else page.stream(response);
        return;
      }
      const body = refusal?.text ?? (page as Extract<Page, { text: unknown }>).text(query);
      response.writeHead(refusal?.status ?? 200, {
        ...headers,
        ...refusal?.headers,
        'content-type': refusal ? 'text/plain; charset=utf-8' : page!.type,
        'content-length': Buffer.byteLength(body),
        connection: 'close',
      });
      response.end(request.method === 'HEAD' ? undefined : body);
    },
  );
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    // Whoever holds many keeps nobody away: who comes is let in.
    const [oldest] = open;
    if (open.size > MAX_CONNECTIONS) oldest.destroy();
  });
  server.on('clientError', (_, socket) => socket.destroy());
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(where, done);
  }).catch((cause: NodeJS.ErrnoException) => {
    const at = 'path' in where ? where.path : `${where.host}:${where.port}`;
    const got = cause.code === 'EADDRINUSE' ? 'an address that is in use' : cause.code;
    throw new HeadwaterError('NETWORK', `${what}: expected to listen at ${at}, got ${got}`, { cause });
  });
  // Who asks is no reason for a process to stay.
  server.unref();
  return {
    address: server.address(),
    ref: () => void server.ref(),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/** Whether a page in a browser asks by itself, as another name for our address would let it: its user did not. */
export function isByPage({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  const isTopLevel = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  return site !== undefined && site !== 'none' && !isTopLevel;
}

/** For what programs read: no page in a browser is told. */
export function refusePages(request: IncomingMessage): Refusal | undefined {
  if (!isByPage(request)) return undefined;
  return {
    status: 403,
    text: 'expected a program or an address that was typed in, got a request of a web page\n',
  };
}

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?', 1)[0];
}

/** Of a request that may change something, it is done here. */
function refusalOf(
  { method }: IncomingMessage,
  page: Page | undefined,
  query: URLSearchParams,
  known: string[],
): Refusal | undefined {
  if (method === 'PUT' && page && 'change' in page) {
    const wrong = page.change?.(query);
    return wrong === undefined ? undefined : { status: 400, text: `${wrong}\n` };
  }
  const isRead = method === 'GET' || method === 'HEAD';
  if (isRead && page) return undefined;
  return { status: isRead ? 404 : 405, text: `expected GET of one of ${known.join(', ')}\n` };
}

const TIMEOUT_MS = 5000;
/** Watchers and scrapers are few. */
const MAX_CONNECTIONS = 32;
