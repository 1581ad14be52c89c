/**
 * One server of a NATS cluster with JetStream as a child process, and as much of a client as publishing takes. In: addresses, a
 * folder. Out: a stream of three replicas on disk, and promises of acknowledgements. The protocol is NATS's own, lines of text.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';

export interface NatsOptions {
  directory: string;
  /** Hosts of all servers, and which of them is ours. */
  hosts: readonly string[];
  self: number;
}

/** Why there can be no NATS here, in one line; undefined if there can. */
export function natsUnavailable(): string | undefined {
  try {
    execFileSync('nats-server', ['--version'], { stdio: 'pipe' });
    return undefined;
  } catch {
    return "no NATS: it is not installed (Debian's package nats-server)";
  }
}

export interface NatsServer {
  /** What puts each write on the disk before it counts; 'nothing': the system, some time after. */
  syncs: 'server' | 'folder' | 'nothing';
  child: ChildProcess;
}

/** Starts the server, with a sync for each write where this version or the file system can; ends with us. */
export function startNats({ directory, hosts, self }: NatsOptions): NatsServer {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, 'nats.conf');
  const write = (sync: string) =>
    writeFileSync(
      path,
      `server_name: n${self}
listen: "127.0.0.1:${CLIENT_PORT}"
jetstream { store_dir: "${join(directory, 'jetstream')}"${sync} }
cluster {
  name: bench
  listen: "${hosts[self]}:${ROUTE_PORT}"
  routes: [${hosts.flatMap((host, i) => (i === self ? [] : `"nats://${host}:${ROUTE_PORT}"`)).join(', ')}]
}
`,
    );
  write(', sync_interval: always');
  let syncs: NatsServer['syncs'] = 'server';
  try {
    execFileSync('nats-server', ['-t', '-c', path], { stdio: 'pipe' });
  } catch {
    // Versions before 2.10 know no such setting.
    write('');
    syncs = makeSynchronous(directory) ? 'folder' : 'nothing';
  }
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'nats-server', '-c', path], { stdio: 'ignore' });
  return { syncs, child };
}

/** Each write to a file made under `directory` from now on returns once it is on the disk. False where that cannot be had. */
function makeSynchronous(directory: string): boolean {
  try {
    // ext4 and a few others know the attribute, and new folders and files take it from theirs.
    execFileSync('chattr', ['+S', directory], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

export interface NatsClient {
  /** Sends, and resolves with the answer's text. */
  request(subject: string, bytes: Uint8Array): Promise<string>;
  close(): void;
}

/** Rejects if nobody listens there. */
export async function connectNats(): Promise<NatsClient> {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const opened: Socket = connect(CLIENT_PORT, '127.0.0.1', () => resolve(opened));
    opened.once('error', reject);
  });
  socket.on('error', () => {});
  socket.setNoDelay(true);
  const waiting = new Map<string, (text: string) => void>();
  let input = Buffer.alloc(0);
  let next = 0;
  socket.on('data', (part) => {
    input = Buffer.concat([input, part]);
    for (;;) {
      const end = input.indexOf('\r\n');
      if (end < 0) return;
      const words = input.toString('latin1', 0, end).split(' ');
      let rest = end + 2;
      if (words[0] === 'MSG') {
        const size = Number(words.at(-1));
        if (input.length < rest + size + 2) return;
        const answer = input.toString('utf8', rest, rest + size);
        waiting.get(words[1])?.(answer);
        waiting.delete(words[1]);
        rest += size + 2;
      } else if (words[0] === 'PING') socket.write('PONG\r\n');
      input = input.subarray(rest);
    }
  });
  socket.write(
    'CONNECT {"verbose":false,"pedantic":false,"lang":"bench","version":"1"}\r\nSUB answers.* 1\r\n',
  );
  return {
    request(subject, bytes) {
      const reply = `answers.${next++}`;
      const answer = new Promise<string>((resolve) => waiting.set(reply, resolve));
      socket.cork();
      socket.write(`PUB ${subject} ${reply} ${bytes.length}\r\n`);
      socket.write(bytes);
      socket.write('\r\n');
      process.nextTick(() => socket.uncork());
      return answer;
    },
    close: () => socket.destroy(),
  };
}

const CLIENT_PORT = 4222;
const ROUTE_PORT = 6222;
