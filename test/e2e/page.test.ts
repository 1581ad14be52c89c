/** The live page as a server: who may read it, and what happens at its edges. What it draws is in test/tools/page.test.ts. */
import { writeFile } from 'node:fs/promises';
import { type ClientRequest, get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { cleanup, freePorts, headwater, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

const requests: ClientRequest[] = [];
afterEach(async () => {
  for (const request of requests.splice(0)) request.destroy();
  await cleanup();
});

interface Ready {
  page: string;
  address: string;
}

async function startMember(host: string, port = 0): Promise<{ lab: Lab; page: URL }> {
  const lab = await createLab(await tempFolder(), ['anna', 'ben']);
  const anna = headwater(['node', ...lab.as('anna'), '--page', `${host}:${port}`, '--json']);
  const { page } = (await anna.first('ready')) as unknown as Ready;
  return { lab, page: new URL(page) };
}

function ask(page: URL, path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((done, fail) => {
    const { hostname, port } = page;
    const request = get({ host: hostname, port, path, headers: { host: `${hostname}:${port}`, ...headers } });
    requests.push(request);
    request.once('response', done).once('error', fail);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += part;
  return text;
}

describe('on loopback', () => {
  test('gives the page, its code and the charts, all from here', async () => {
    const { page } = await startMember('127.0.0.1');
    const index = await ask(page, '/');
    const html = await textOf(index);
    const assets = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path);

    expect(index.headers['content-security-policy']).toMatch(/default-src 'none'; script-src 'self'/);
    expect(assets).toEqual(['icon.svg', 'uplot.css', 'page.css', 'main.js', 'icon.svg']);
    for (const path of [...assets, 'uplot.js'])
      expect((await ask(page, `/${path}`)).statusCode, path).toBe(200);
  });

  test('tells what the member sees as it happens: itself, its peers, its objects', async () => {
    const { page } = await startMember('127.0.0.1');
    const response = await ask(page, '/events');
    let text = '';
    for await (const part of response.setEncoding('utf8')) {
      text += part;
      if (text.includes('event: tick')) break;
    }

    expect(response.headers['content-type']).toBe('text/event-stream');
    const start = JSON.parse(/event: start\ndata: (.*)\n/.exec(text)![1]);
    const tick = JSON.parse(/event: tick\ndata: (.*)\n/.exec(text)![1]);
    expect(start).toMatchObject({ title: 'anna of lab', kind: 'live' });
    expect(start.members.toSorted()).toEqual(['anna', 'ben']);
    expect(tick.sights).toMatchObject([{ name: 'anna', peers: [{ name: 'ben', reachable: false }] }]);
  });

  test.each([
    ['another name for this machine', { host: 'evil.example' }],
    ['a script of another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' }],
    ['an image on another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'image' }],
  ])('refuses %s', async (_, headers) => {
    const { page } = await startMember('127.0.0.1');
    for (const path of ['/', '/events']) {
      const { statusCode, headers: answer } = await ask(page, path, headers as Record<string, string>);
      expect([statusCode, answer['access-control-allow-origin']]).toEqual([403, undefined]);
    }
  });

  test('can be reached by a link, which lets nobody read it', async () => {
    const { page } = await startMember('127.0.0.1');
    const link = {
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
    };
    expect((await ask(page, '/', link)).statusCode).toBe(200);
  });
});

describe('elsewhere', () => {
  test('asks for a token, and takes it out of the address', async () => {
    const { page } = await startMember('0.0.0.0');
    page.hostname = '127.0.0.1';
    const without = await ask(page, '/events');
    const wrong = await ask(page, `/?token=${'0'.repeat(32)}`);
    const { statusCode, headers } = await ask(page, page.pathname + page.search);
    const [cookie] = headers['set-cookie']![0].split(';');

    expect([without.statusCode, wrong.statusCode]).toEqual([401, 401]);
    expect([statusCode, headers.location]).toEqual([303, '/']);
    expect(headers['set-cookie']![0]).toMatch(/HttpOnly; SameSite=Strict/);
    expect((await ask(page, '/events', { cookie })).statusCode).toBe(200);
    expect((await ask(page, '/events', { cookie: cookie.replace(/.$/, 'g') })).statusCode).toBe(401);
  });
});

test('a port in use is told, and the member ends', async () => {
  const { lab, page } = await startMember('127.0.0.1', (await freePorts(1))[0]);
  const ben = headwater(['node', ...lab.as('ben'), '--page', `127.0.0.1:${page.port}`]);
  expect(await ben.exit()).toBe(1);
  // It may have met anna by then.
  expect(ben.stderr.trimEnd().split('\n').at(-1)).toBe(
    `headwater: page: expected to listen at 127.0.0.1:${page.port}, got an address that is in use`,
  );
});

test.skipIf(process.platform === 'win32')(
  'what a running member sees is recorded by its control socket',
  async () => {
    const lab = await createLab(await tempFolder(), ['anna', 'ben']);
    const socket = join(lab.folder, 'sock');
    const anna = headwater(['node', ...lab.as('anna'), '--control', socket, '--json']);
    await anna.first('ready');
    const trace = headwater(['trace', '--control', socket, '--interval', '0.1']);
    await trace.until('a look', ({ stdout }) => stdout.includes('headwater:status'));
    const ben = headwater(['node', ...lab.as('ben'), '--json']);
    await trace.until('ben', ({ stdout }) =>
      stdout.includes('"type":"peer","member":"ben","reachable":true'),
    );
    anna.say('hello');
    await trace.until('its delivery', ({ stdout }) =>
      /"from":"anna","incarnation":\d+,"delivered":1/.test(stdout),
    );
    anna.child.kill('SIGTERM');
    expect(await trace.exit()).toBe(0);
    expect(trace.stderr).toMatch(/the member has ended: .*\n\d+ looks recorded\n$/);

    const file = join(lab.folder, 'anna.qlog');
    await writeFile(file, trace.stdout);
    const view = headwater(['view', file, '--json']);
    const { page } = (await view.first('ready')) as unknown as Ready;
    const text = await textOf(await ask(new URL(page), '/events'));
    expect(text).toContain('"kind":"recording","members":["anna","ben"]');
    expect(text).toContain('"text":"ben is here"');
    ben.child.kill('SIGTERM');
  },
);

test('nothing but GET is answered', async () => {
  const { page } = await startMember('127.0.0.1');
  const response = await fetch(page, { method: 'POST', body: 'x' });
  expect(response.status).toBe(405);
});
