/** What a member says over HTTP: to whom, and to how many at once. */
import { request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type HttpServer, refusePages, serveHttp } from '../../src/cli/http.js';

const LOCAL = { host: '127.0.0.1', port: 0 };
let server: HttpServer | undefined;
afterEach(() => server?.close());

async function serve(): Promise<number> {
  const pages = { '/metrics': { type: 'text/plain', text: () => 'up 1\n' } };
  server = await serveHttp('metrics', LOCAL, pages, { refuse: refusePages });
  return (server.address as AddressInfo).port;
}

function statusOf(port: number, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((done, fail) => {
    const asked = request({ ...LOCAL, port, path: '/metrics', headers }, (response) => {
      response.resume();
      done(response.statusCode!);
    });
    asked.once('error', fail).end();
  });
}

test('who holds many connections keeps nobody away', async () => {
  const port = await serve();
  const held = Array.from({ length: 40 }, () => connect(port, LOCAL.host));
  for (const socket of held) socket.on('error', () => {});
  await Promise.all(held.map((socket) => new Promise((done) => socket.once('connect', done))));

  expect(await statusOf(port)).toBe(200);

  for (const socket of held) socket.destroy();
});

test.each([
  ['a scraper is answered', {}, 200],
  ['an address that was typed in, too', { 'sec-fetch-site': 'none' }, 200],
  [
    'a script of a page is not, though it reached us by a name of its own',
    { 'sec-fetch-site': 'same-origin' },
    403,
  ],
  ['nor one of another site', { 'sec-fetch-site': 'cross-site' }, 403],
])('%s', async (_what, headers, status) => {
  expect(await statusOf(await serve(), headers as Record<string, string>)).toBe(status);
});
