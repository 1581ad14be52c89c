/** What this process says to who asks over HTTP: a few texts, made when they are asked for. In: GET. Out: an answer; nothing can be changed. */
import { createServer, type Server } from 'node:http';
import { HeadwaterError } from '../errors.js';

/** What an answer is, and its media type. */
export interface Page {
  type: string;
  text(): string;
}

export interface HttpServer {
  /** Where it listens. */
  readonly address: ReturnType<Server['address']>;
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
): Promise<HttpServer> {
  const server = createServer(
    { requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS },
    (request, response) => {
      const page = pages[new URL(request.url ?? '/', 'http://member').pathname];
      const isRead = request.method === 'GET' || request.method === 'HEAD';
      const status = !isRead ? 405 : page ? 200 : 404;
      const known = Object.keys(pages).join(', ');
      const body = status === 200 ? page!.text() : `expected GET of one of ${known}\n`;
      response.writeHead(status, {
        'content-type': status === 200 ? page!.type : 'text/plain; charset=utf-8',
        'content-length': Buffer.byteLength(body),
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        connection: 'close',
      });
      response.end(request.method === 'HEAD' ? undefined : body);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
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
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

const TIMEOUT_MS = 5000;
/** Watchers and scrapers are few. */
const MAX_CONNECTIONS = 32;
