/**
 * One member of a group of two: the node as users run it. The sender keeps two objects under way, so that symbols never run
 * out; the receiver verifies, decodes, hashes and delivers.
 */
import { type HttpServer, serveHttp } from '../../src/cli/http.js';
import type { LivePage } from '../../src/cli/page/live.js';
import { type ControllerName, createGroup, keyPair, Node } from '../../src/index.js';
import { MAX_SYMBOL_SIZE } from '../../src/wire/limits.js';
import { roleOptions, serveRole } from './process.js';
import { startProfile, stopProfile } from './profile.js';
import { usage } from './usage.js';

export interface MemberOptions {
  /** Ports of both members on 127.0.0.1: of the sender and of the receiver. */
  ports: [number, number];
  role: 'send' | 'receive';
  /** Bytes. */
  objectSize: number;
  maxDatagram: number;
  controller: ControllerName;
}

/** Where its page and its metrics are, as far as they are open. */
export interface Watched {
  page: string | undefined;
  metrics: string | undefined;
}

const { ports, role, objectSize, maxDatagram, controller } = roleOptions<MemberOptions>();
const secrets = [1, 2].map((fill) => new Uint8Array(32).fill(fill));
const group = createGroup({
  name: 'loopback',
  members: secrets.map((secret, i) => ({
    name: ['sender', 'receiver'][i],
    publicKey: keyPair(secret).publicKey,
    locator: `127.0.0.1:${ports[i]}`,
  })),
});
const node = await Node.start({
  group,
  secretKey: secrets[role === 'send' ? 0 : 1],
  maxDatagram,
  controller,
  // Who only sends asks for no messages.
  ...(role === 'receive' ? { deliver() {} } : {}),
});
let open: HttpServer[] = [];

/** Closes what is open, and opens these. */
async function watched({ page, metrics }: { page?: boolean; metrics?: boolean }): Promise<Watched> {
  await Promise.all(open.map((server) => server.close()));
  // As built: the browser's part of it is compiled.
  const { openLivePage } = await import(new URL('../../../../dist/cli/page/live.js', import.meta.url).href);
  const live: LivePage | undefined = page ? await openLivePage(node, ANYWHERE) : undefined;
  const text = { type: 'text/plain', text: () => node.metrics() };
  const scraped = metrics ? await serveHttp('metrics', ANYWHERE, { '/metrics': text }) : undefined;
  open = [live, scraped].filter((server) => server !== undefined);
  const { port } = (scraped?.address ?? {}) as { port?: number };
  return { page: live?.url, metrics: scraped && `http://127.0.0.1:${port}` };
}

/** Microseconds that one status takes. */
function look(): number {
  const begun = process.cpuUsage();
  for (let i = 0; i < LOOKS; i++) node.status({ detail: true });
  return process.cpuUsage(begun).user / LOOKS;
}

const ANYWHERE = { host: '127.0.0.1', port: 0 };
const LOOKS = 1000;
serveRole({
  off: () => watched({}),
  metrics: () => watched({ metrics: true }),
  page: () => watched({ page: true }),
  open: () => watched({ page: true, metrics: true }),
  look,
  start() {
    const objects = [0, 1].map((fill) => new Uint8Array(objectSize).fill(fill));
    const keepOn = async (object: Uint8Array) => {
      for (;;) await node.broadcast(object);
    };
    return node.reach(1).then(() => {
      for (const object of objects) void keepOn(object);
      return true;
    });
  },
  usage() {
    const { sentDatagrams, sentBytes, receivedDatagrams, receivedBytes, usefulSymbols } =
      node.status().metrics;
    return role === 'send'
      ? usage(sentDatagrams, sentBytes, 0)
      : usage(receivedDatagrams, receivedBytes, usefulSymbols * MAX_SYMBOL_SIZE);
  },
  mtu: () => node.status().peers[0].datagramBytes,
  status: () => ({ m: node.status().metrics, p: node.status().peers[0].path, o: node.status().objects }),
  profile: startProfile,
  profiled: stopProfile,
});
