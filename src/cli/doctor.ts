/**
 * What keeps a member from working, looked for one thing after the other. In: the files of a member. Out: findings, each with what to do
 * about it. The group is not changed by it, but for what any start of the member does.
 */

import { lookup } from 'node:dns/promises';
import { readFile, stat, statfs } from 'node:fs/promises';
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { dirname } from 'node:path';
import { toHex } from '../core/bytes.js';
import type { DurableStore } from '../disk/lmdb.js';
import { HeadwaterError } from '../errors.js';
import { type Group, type Member, memberWith } from '../group/group.js';
import { parseLocator } from '../group/locator.js';
import { Node } from '../node/node.js';
import type { NodeStatus } from '../node/status/shape.js';
import { DATAGRAM_SIZE } from '../wire/limits.js';
import { askStatus, controlPathOf } from './control.js';
import { readIdentity } from './identity.js';
import { formatBytes, sleep } from './io.js';
import { openMemberStore } from './member.js';

/** One thing that was looked at. */
export interface Finding {
  /** What it was. */
  check: string;
  result: 'ok' | 'warning' | 'failed' | 'skipped';
  /** What was found. */
  text: string;
  /** What to do about it. */
  advice?: string;
}

export interface DoctorOptions {
  group: string;
  key: string;
  store?: string;
  bind?: string;
  /** Seconds that the others have to answer. */
  wait: number;
}

type Identity = Awaited<ReturnType<typeof readIdentity>>;

/** Looks at everything, and tells each finding as it comes. */
export async function examine(options: DoctorOptions, tell: (finding: Finding) => void): Promise<void> {
  const identity = await attempt('files', tell, () => readIdentity(options));
  if (!identity) return;
  const { group, publicKey } = identity;
  const self = memberWith(group, publicKey);
  tell({
    check: 'files',
    result: 'ok',
    text: `${self.name} of group ${group.name}, ${group.members.length} members`,
  });
  tell(await keyMode(options.key));
  tell(await groupMode(options.group));
  tell(await fileTimes(options));
  for (const finding of await names(group, self, options.bind)) tell(finding);
  for (const finding of await families(group)) tell(finding);
  tell(await kernelBuffer());
  const running = options.store === undefined ? undefined : await runningMember(options.store);
  const isOther = running && (running.name !== self.name || running.group.id !== toHex(group.id));
  if (isOther) {
    tell({
      check: 'store',
      result: 'failed',
      text: `expected that of ${self.name} of group ${toHex(group.id)}, got one with which ${running.name} of group ${running.group.id} runs`,
    });
  } else if (running) {
    tell({ check: 'member', result: 'ok', text: `it runs, as process ${running.host.pid}: it was asked` });
    tell(await runningStore(options.store!, running));
    tellStatus(running, tell);
  } else await probe(options, identity, tell);
}

/** What a status says of others, of the store and of the machine. */
export function tellStatus(status: NodeStatus, tell: (finding: Finding) => void): void {
  const { socket, peers, quorum, warnings } = status;
  const isFast = socket.mode === 'batched';
  tell({
    check: 'socket',
    result: isFast ? 'ok' : 'warning',
    text: `${socket.mode}${socket.reason === undefined ? '' : `: ${socket.reason}`}`,
    ...(isFast
      ? {}
      : {
          advice: 'nothing is wrong; on Linux `npm install koffi` takes half the processor for each datagram',
        }),
  });
  for (const { name, reachable, rttMs, address, datagramBytes } of peers)
    tell({
      check: `member ${name}`,
      result: reachable ? 'ok' : 'failed',
      text: reachable
        ? `answers from ${address}, ${rttMs?.toFixed(1) ?? '?'} ms, datagrams of ${datagramBytes} bytes`
        : `does not answer at ${address ?? 'any address'}`,
      ...(reachable
        ? {}
        : { advice: 'is it started? does UDP pass in both directions? a warning below may say more' }),
    });
  for (const { name, reachable, datagramBytes } of peers)
    if (reachable && datagramBytes <= DATAGRAM_SIZE)
      tell({
        check: `MTU to ${name}`,
        result: 'warning',
        text: `no datagrams of more than ${datagramBytes} bytes have arrived there so far`,
        advice: 'if that stays: a tunnel, or a firewall that drops ICMP; docs/OPERATING.md, narrow-path',
      });
  tell({
    check: 'quorum',
    result: quorum.have >= quorum.need ? 'ok' : 'failed',
    text: `${quorum.have} of ${status.group.members} are here, ${quorum.need} are needed`,
  });
  for (const { code, text } of warnings)
    if (code !== 'member-away' && code !== 'no-quorum')
      tell({ check: code, result: 'warning', text, advice: `docs/OPERATING.md, ${code}` });
}

async function attempt<T>(
  check: string,
  tell: (finding: Finding) => void,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof HeadwaterError)) throw error;
    const { message } = error;
    const prefix = `${check}: `;
    tell({
      check,
      result: 'failed',
      text: message.startsWith(prefix) ? message.slice(prefix.length) : message,
    });
    return undefined;
  }
}

async function keyMode(file: string): Promise<Finding> {
  const check = 'key file';
  if (process.platform === 'win32') return { check, result: 'skipped', text: 'modes are not of this system' };
  const mode = (await stat(file)).mode & 0o777;
  const octal = mode.toString(8).padStart(4, '0');
  return (mode & 0o077) === 0
    ? { check, result: 'ok', text: `mode ${octal}` }
    : {
        check,
        result: 'warning',
        text: `mode ${octal}: who can read it can be this member`,
        advice: `chmod 600 ${file}`,
      };
}

/** Who can write it can let anybody in, once the member is started again. */
async function groupMode(file: string): Promise<Finding> {
  const check = 'group file';
  if (process.platform === 'win32') return { check, result: 'skipped', text: 'modes are not of this system' };
  const mode = (await stat(file)).mode & 0o777;
  const octal = mode.toString(8).padStart(4, '0');
  return (mode & 0o022) === 0
    ? { check, result: 'ok', text: `mode ${octal}` }
    : {
        check,
        result: 'warning',
        text: `mode ${octal}: others can change who is in the group`,
        advice: `chmod go-w ${file}`,
      };
}

/** A clock that is behind the last change of a file has gone back. */
async function fileTimes({ group, key, store }: DoctorOptions): Promise<Finding> {
  const check = 'clock';
  const files = [group, key, ...(store === undefined ? [] : [store])];
  const times = await Promise.all(
    files.map(async (file) => ({ file, at: (await stat(file).catch(() => undefined))?.mtimeMs ?? 0 })),
  );
  const newest = times.reduce((a, b) => (b.at > a.at ? b : a));
  const ahead = newest.at - Date.now();
  if (ahead <= CLOCK_SLACK_MS) return { check, result: 'ok', text: new Date().toISOString() };
  return {
    check,
    result: 'failed',
    text: `${newest.file} was written at a time that is ${Math.round(ahead / 1000)} s ahead of this clock`,
    advice: 'set the clock (NTP); a member without its store would be kept out',
  };
}

/** Two members of which one has IPv4 addresses alone and the other IPv6 never hear each other. */
async function families({ members }: Group): Promise<Finding[]> {
  const known = await Promise.all(
    members.map(async ({ name, locators }) => {
      const found = (await Promise.all(locators.map((each) => addressesOf(parseLocator(each).host)))).flat();
      return { name, v4: found.some(isIPv4), v6: found.some(isIPv6) };
    }),
  );
  const only4 = known.filter(({ v4, v6 }) => v4 && !v6).map(({ name }) => name);
  const only6 = known.filter(({ v4, v6 }) => v6 && !v4).map(({ name }) => name);
  if (only4.length === 0 || only6.length === 0) return [];
  return [
    {
      check: 'address families',
      result: 'failed',
      text: `${only4.join(', ')} with IPv4 alone and ${only6.join(', ')} with IPv6 alone cannot meet`,
      advice: 'give some of them an address of the other family too: "addresses" in the group file',
    },
  ];
}

/** Whether each member's addresses lead somewhere, and whether a socket bound as ours can send there. */
async function names({ members }: Group, self: Member, bind: string | undefined): Promise<Finding[]> {
  // Who has no address is bound as the others' ask for.
  const bound = bind ?? (self.locator === '' ? undefined : self.locator);
  const own =
    bound === undefined ? '0.0.0.0' : parseLocator(bound, bind === undefined ? 'address' : '--bind').host;
  const isV6 = (await addressesOf(own)).some(isIPv6);
  const others = members.filter((member) => member !== self);
  const findings = await Promise.all(
    others.flatMap(({ name, locators }) =>
      locators.map(async (locator): Promise<Finding> => {
        const check = `address of ${name}`;
        const found = await addressesOf(parseLocator(locator).host);
        if (found.length === 0)
          return {
            check,
            result: 'failed',
            text: `${locator}: the name is not known`,
            advice: 'look at the name in the group file, and at the name server',
          };
        if (!isV6 && !found.some(isIPv4))
          return {
            check,
            result: 'failed',
            text: `${locator} is IPv6 only, and this member is bound to IPv4 (${own})`,
            advice: "bind it to both: --bind '[::]:PORT'",
          };
        return {
          check,
          result: 'ok',
          text: isIP(parseLocator(locator).host) ? locator : `${locator} is ${found.join(', ')}`,
        };
      }),
    ),
  );
  return findings;
}

async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host)) return [host];
  return (await lookup(host, { all: true }).catch(() => [])).map(({ address }) => address);
}

async function kernelBuffer(): Promise<Finding> {
  const check = 'kernel buffers';
  const text = await readFile('/proc/sys/net/core/rmem_max', 'utf8').catch(() => undefined);
  if (text === undefined) return { check, result: 'skipped', text: 'this system does not tell' };
  const most = Number(text);
  return most >= WANTED_BUFFER
    ? { check, result: 'ok', text: `net.core.rmem_max is ${formatBytes(most)}` }
    : {
        check,
        result: 'warning',
        text: `net.core.rmem_max is ${formatBytes(most)}: bursts on a fast network may be dropped`,
        advice: `sysctl -w net.core.rmem_max=${WANTED_BUFFER}`,
      };
}

async function runningMember(store: string): Promise<NodeStatus | undefined> {
  return askStatus(controlPathOf(store)).catch(() => undefined);
}

/** Opens the store, and runs the member for a while, which hands over no message. */
async function probe(
  options: DoctorOptions,
  identity: Identity,
  tell: (finding: Finding) => void,
): Promise<void> {
  const { store: path, bind, wait } = options;
  if (path === undefined) {
    tell({
      check: 'members',
      result: 'skipped',
      text: 'without its store a member would be another one to the others',
      advice: 'give --store, or start the member and ask again',
    });
    return;
  }
  const store = await attempt('store', tell, () => openMemberStore(path, identity, 'nothing'));
  if (!store) return;
  tell(await storeFinding(path, store));
  const { group, seed } = identity;
  // A message that is not done with comes again at the next start.
  const node = await attempt('port', tell, () =>
    Node.start({ group, secretKey: seed, store, bind, deliver: () => new Promise(() => {}) }).catch(
      async (error) => {
        await store.close();
        throw error;
      },
    ),
  );
  if (!node) return;
  tell({ check: 'port', result: 'ok', text: node.address });
  for (let waited = 0; waited < wait * 1000 && !isComplete(node.status()); waited += POLL_MS)
    await sleep(POLL_MS);
  tellStatus(node.status(), tell);
  await node.close();
}

async function storeFinding(path: string, { loaded }: DurableStore): Promise<Finding> {
  const behind = loaded.session - Date.now();
  if (behind > CLOCK_SLACK_MS)
    return {
      check: 'clock',
      result: 'failed',
      text: `the store was used at a time that is ${Math.round(behind / 1000)} s ahead of this clock`,
      advice: 'set the clock (NTP): with the store it does no harm, without it the member would be kept out',
    };
  const { bavail, bsize } = await statfs(dirname(path));
  const free = bavail * bsize;
  return {
    check: 'store',
    result: free < LITTLE_ROOM ? 'warning' : 'ok',
    text: `${formatBytes(loaded.bytes)} of messages, ${formatBytes(free)} free on its disk`,
    ...(free < LITTLE_ROOM ? { advice: 'make room on the disk' } : {}),
  };
}

async function runningStore(path: string, { store }: NodeStatus): Promise<Finding> {
  const { bavail, bsize } = await statfs(dirname(path));
  const free = bavail * bsize;
  const text = `${formatBytes(store.storedBytes)} of ${formatBytes(store.boundBytes)}, ${formatBytes(free)} free on its disk`;
  if (!store.full && free >= LITTLE_ROOM) return { check: 'store', result: 'ok', text };
  return {
    check: 'store',
    result: store.full ? 'failed' : 'warning',
    text: store.full ? `${text}: FULL, nothing is confirmed` : text,
    advice: 'make room on the disk',
  };
}

/** Each member has been asked what it is asked here: whether it answers, how fast, and to datagrams of what size. */
function isComplete({ peers }: NodeStatus): boolean {
  return peers.every(
    ({ reachable, rttMs, datagramBytes }) => reachable && rttMs !== null && datagramBytes > DATAGRAM_SIZE,
  );
}

/** As much as a socket asks for. */
const WANTED_BUFFER = 4 * 1024 * 1024;
const LITTLE_ROOM = 256 * 1024 * 1024;
const CLOCK_SLACK_MS = 1000;
const POLL_MS = 100;
