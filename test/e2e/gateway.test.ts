/** `headwater etcd` as a process: what it refuses, what it bears of its clients, and what it leaves on disk. */
import { once } from 'node:events';
import { appendFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import * as api from '../../src/gateway/api/messages.js';
import { decode, encode, type Message } from '../../src/gateway/api/protobuf.js';
import { type Cli, cleanup, freePorts, headwater, tempFolder } from './cli.js';

const sessions = new Set<ClientHttp2Session>();
afterEach(async () => {
  for (const session of sessions) session.destroy();
  sessions.clear();
  await cleanup();
});

interface Ports {
  peer: number;
  client: number;
}

async function ports(): Promise<Ports> {
  const [peer, client] = await freePorts(2);
  return { peer, client };
}

function start(folder: string, { peer, client }: Ports, more: string[] = []): Cli {
  const url = `http://127.0.0.1:${peer}`;
  return headwater([
    'etcd',
    ...['--name', 'one', '--data-dir', folder, '--listen-peer-urls', url],
    ...['--initial-advertise-peer-urls', url, '--listen-client-urls', `http://127.0.0.1:${client}`],
    ...['--initial-cluster', `one=${url}`, ...more],
  ]);
}

const serves = ({ stderr }: Cli) => stderr.includes('serves in place of etcd');

/** The last line, as an object. */
function lastWords({ stderr }: Cli): { level: string; msg: string } {
  return JSON.parse(stderr.trimEnd().split('\n').at(-1)!);
}

class Client {
  private readonly session: ClientHttp2Session;

  constructor({ client }: Ports) {
    this.session = connect(`http://127.0.0.1:${client}`, { settings: { initialWindowSize: 65_535 } });
    sessions.add(this.session);
  }

  open(path: string): ClientHttp2Stream {
    return this.session.request({
      ':method': 'POST',
      ':path': `/etcdserverpb.${path}`,
      'content-type': 'application/grpc+proto',
      te: 'trailers',
    });
  }

  /** The answer's bytes and status. */
  async call(path: string, body: Uint8Array): Promise<{ status: string; bytes: Buffer }> {
    const stream = this.open(path);
    let status = '';
    const take = (headers: Record<string, unknown>) => {
      status = String(headers['grpc-status'] ?? status);
    };
    stream.on('response', take).on('trailers', take);
    const parts: Buffer[] = [];
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.end(body);
    await once(stream, 'close');
    return { status, bytes: Buffer.concat(parts).subarray(5) };
  }

  async put(key: string, value: Uint8Array): Promise<string> {
    const request = { key: Buffer.from(key), value };
    return (await this.call('KV/Put', frame(api.PUT_REQUEST, request))).status;
  }

  async value(key: string): Promise<string | undefined> {
    const { bytes } = await this.call('KV/Range', frame(api.RANGE_REQUEST, { key: Buffer.from(key) }));
    const [kv] = decode(api.RANGE_RESPONSE, bytes).kvs;
    return kv && Buffer.from(kv.value!).toString();
  }
}

function frame<T extends object>(type: Message<T>, value: Partial<T>, flag = 0): Buffer {
  const body = encode(type, value);
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

describe('refuses, with the reason as its last line', () => {
  test('the data directory of a real etcd, and leaves it as it is', async () => {
    const folder = join(await tempFolder(), 'data');
    await mkdir(join(folder, 'member'), { recursive: true });
    const cli = start(folder, await ports());
    expect(await cli.exit()).toBe(1);
    expect(lastWords(cli)).toMatchObject({ level: 'fatal', code: 'STORE' });
    expect(await readdir(folder)).toEqual(['member']);
  });

  test('a data directory that another process has', async () => {
    const folder = join(await tempFolder(), 'data');
    const first = start(folder, await ports());
    await first.until('to serve', serves);
    const second = start(folder, await ports());
    expect(await second.exit()).toBe(1);
    expect(lastWords(second).msg).toContain('expected one that nobody uses');
    expect(first.child.exitCode).toBeNull();
  });

  test('a data directory that the file system does not let it make', async () => {
    const cli = start('/proc/none/data', await ports());
    expect(await cli.exit()).toBe(1);
    expect(lastWords(cli)).toMatchObject({ level: 'fatal', code: 'FILE' });
    expect(lastWords(cli).msg).toContain('/proc/none/data');
  });

  test('a file in place of the data directory, and in place of one above it', async () => {
    const file = join(await tempFolder(), 'file');
    await writeFile(file, '');
    for (const [folder, got] of [
      [file, 'a file of that name'],
      [join(file, 'data'), 'a file where a folder above it should be'],
    ]) {
      const cli = start(folder, await ports());
      expect(await cli.exit()).toBe(1);
      expect(lastWords(cli).msg).toBe(
        `etcd: data-dir: expected a folder, or room for one, at ${folder}, got ${got}`,
      );
    }
  });

  test('a data directory of another cluster, and says which flags to look at', async () => {
    const folder = join(await tempFolder(), 'data');
    const first = start(folder, await ports(), ['--initial-cluster-token', 'wrong']);
    await first.until('to serve', serves);
    first.child.kill('SIGINT');
    await first.exit();
    const second = start(folder, await ports());
    expect(await second.exit()).toBe(1);
    expect(lastWords(second).msg).toContain(
      'start it with the --name, --initial-cluster and --initial-cluster-token',
    );
  });

  test('a client port only once nobody has let go of it for a while', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port: client } = server.address() as { port: number };
    const cli = start(join(await tempFolder(), 'data'), { ...(await ports()), client });
    setTimeout(() => server.close(), 1000);
    await cli.until('to serve', serves);
  });

  test('a client port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port: client } = server.address() as { port: number };
    const cli = start(join(await tempFolder(), 'data'), { ...(await ports()), client });
    expect(await cli.exit()).toBe(1);
    expect(lastWords(cli).msg).toContain('EADDRINUSE');
    server.close();
  });

  test('flags that etcd does not know, and what would be security', async () => {
    const folder = join(await tempFolder(), 'data');
    const unknown = start(folder, await ports(), ['--nonsense', 'x']);
    expect(await unknown.exit()).toBe(2);
    expect(lastWords(unknown).msg).toContain('flag provided but not defined: -nonsense');
    const tls = start(folder, await ports(), ['--peer-cert-file', 'x']);
    expect(await tls.exit()).toBe(1);
    expect(lastWords(tls).msg).toContain('--peer-cert-file');
  });
});

test('prints nothing on stdout, and says why it ends', async () => {
  const cli = start(join(await tempFolder(), 'data'), await ports());
  await cli.until('to serve', serves);
  cli.child.kill('SIGINT');
  expect(await cli.exit()).toBe(0);
  expect(cli.stdout).toBe('');
  expect(lastWords(cli).msg).toBe('etcd: stopped: told to by SIGINT');
});

test('makes a key that is its own alone', async () => {
  const folder = join(await tempFolder(), 'data');
  const cli = start(folder, await ports());
  await cli.until('to serve', serves);
  expect((await stat(join(folder, 'headwater.key'))).mode & 0o777).toBe(0o600);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
});

test('has after a kill what it had answered, and reads a journal that was cut off', async () => {
  const folder = join(await tempFolder(), 'data');
  const where = await ports();
  const first = start(folder, where);
  await first.until('to serve', serves);
  const client = new Client(where);
  for (let i = 0; i < 20; i++) expect(await client.put('key', Buffer.from(`${i}`))).toBe('0');
  first.child.kill('SIGKILL');
  await first.exit();
  await appendFile(join(folder, 'headwater.journal'), Buffer.from('000000ff0102', 'hex'));
  const second = start(folder, where);
  await second.until('to serve', serves);
  expect(await new Client(where).value('key')).toBe('19');
});

test('answers clients that do wrong, and goes on', async () => {
  const where = await ports();
  const cli = start(join(await tempFolder(), 'data'), where);
  await cli.until('to serve', serves);
  const client = new Client(where);
  const nonsense = Buffer.from('00000000040affffff', 'hex');
  expect((await client.call('KV/DeleteRange', Buffer.alloc(5))).status).toBe('12');
  expect((await client.call('KV/Put', nonsense)).status).toBe('13');
  expect((await client.call('KV/Put', Buffer.alloc(0))).status).toBe('13');
  expect((await client.call('KV/Put', frame(api.PUT_REQUEST, {}, 1))).status).toBe('12');
  expect((await client.call('KV/Put', Buffer.from('00ffffffff', 'hex'))).status).toBe('8');
  expect((await client.call('KV/Put', frame(api.PUT_REQUEST, {}))).status).toBe('3');
  expect(await client.put('key', Buffer.from('value'))).toBe('0');
});

test('a watch that is not read waits on disk, and goes on with nothing left out', async () => {
  const where = await ports();
  const cli = start(join(await tempFolder(), 'data'), where);
  await cli.until('to serve', serves);
  const watch = new Client(where).open('Watch/Watch');
  watch.write(frame(api.WATCH_REQUEST, { create_request: watchOf('key') }));
  await once(watch, 'response');
  const client = new Client(where);
  const count = 150;
  for (let i = 0; i < count; i++) {
    const value = Buffer.alloc(30_000);
    value.writeUInt32BE(i);
    expect(await client.put('key', value)).toBe('0');
  }
  const seen: number[] = [];
  let rest = Buffer.alloc(0);
  for await (const part of watch) {
    rest = Buffer.concat([rest, part as Buffer]);
    for (; rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1); ) {
      const end = 5 + rest.readUInt32BE(1);
      const { events } = decode(api.WATCH_RESPONSE, rest.subarray(5, end));
      for (const { kv } of events) seen.push(Buffer.from(kv.value!).readUInt32BE());
      rest = rest.subarray(end);
    }
    if (seen.length === count) break;
  }
  expect(seen).toEqual(Array.from({ length: count }, (_, i) => i));
});

test('says so once a file is deleted under it', async () => {
  const folder = join(await tempFolder(), 'data');
  const cli = start(folder, await ports());
  await cli.until('to serve', serves);
  await rm(join(folder, 'headwater.store'));
  await cli.until('to say so', ({ stderr }) => stderr.includes('deleted or replaced under this process'));
  expect(JSON.parse(cli.stderr.trimEnd().split('\n').at(-1)!)).toMatchObject({
    level: 'error',
    file: join(folder, 'headwater.store'),
  });
});

test('serves metrics under etcd’s names', async () => {
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const cli = start(join(await tempFolder(), 'data'), await ports(), ['--listen-metrics-urls', url]);
  await cli.until('to serve', serves);
  const text = await (await fetch(`${url}/metrics`)).text();
  for (const name of ['etcd_server_has_leader 1', 'etcd_server_proposals_pending 0'])
    expect(text.split('\n')).toContain(name);
  expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ health: 'true' });
});

test('HEADWATER_GROUP that lacks a member is refused', async () => {
  process.env.HEADWATER_GROUP = join(await tempFolder(), 'none.json');
  try {
    const cli = start(join(await tempFolder(), 'data'), await ports());
    expect(await cli.exit()).toBe(1);
    expect(lastWords(cli).msg).toContain('HEADWATER_GROUP: expected a group file, got none');
  } finally {
    delete process.env.HEADWATER_GROUP;
  }
});

test('docs/HYDRA.md names each file that it leaves', async () => {
  const folder = join(await tempFolder(), 'data');
  const where = await ports();
  const cli = start(folder, where);
  await cli.until('to serve', serves);
  const text = await readFile(new URL('../../docs/HYDRA.md', import.meta.url), 'utf8');
  for (const file of await readdir(folder)) {
    const base = file.replace(/^(headwater\.(?:store|log)).*/, '$1');
    expect(text).toContain(`\`${base}\``);
  }
});

function watchOf(key: string): api.WatchCreateRequest {
  const from = Buffer.from(key);
  return { key: from, range_end: Buffer.alloc(0), start_revision: 1, filters: [], watch_id: 0 };
}
