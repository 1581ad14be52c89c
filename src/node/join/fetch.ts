/** A group of which only the id and the address of a member are known, as a running thing: a socket and a clock around an `Asker`. */
import { randomBytes } from 'node:crypto';
import { toHex } from '../../core/bytes.js';
import { type Checks, checkOptions, isAtLeast, isBytes, isObjectWith, isTexts } from '../../core/checks.js';
import { MILLISECOND } from '../../core/time.js';
import { keyPair } from '../../crypto/keys.js';
import { HeadwaterError, invalid } from '../../errors.js';
import type { Group } from '../../group/group.js';
import { type Asked, Asker } from '../../group/join/asker.js';
import { parseLocator } from '../../group/locator.js';
import { monotonic } from '../clock.js';
import type { RouteChange } from '../routes.js';
import { openAny, type UdpSocket } from '../udp.js';

/** Which group, as whom, and whom to ask. */
export interface FetchGroupOptions {
  /** 32 bytes: `Group.id`, or what `headwater group id` prints. */
  groupId: Uint8Array;
  /** 32 bytes: the seed of a member's Ed25519 key. Members alone are answered. */
  secretKey: Uint8Array;
  /** Where members are, `host:port`, 1 to 16: all are asked, and the first answer that holds is taken. */
  peers: readonly string[];
  /** Milliseconds to wait for an answer. Default 30,000. */
  timeout?: number | undefined;
  /** Ends the waiting. */
  signal?: AbortSignal | undefined;
}

/**
 * Asks members at known addresses for the group file, so that a key, the group's id and one address are enough to join. Nobody who
 * answers has to be trusted with who the members are and how many of them may fail: the id is a hash of that. Their names and Cp are
 * the word of the member that told them, and taken only where no member is expected to lie (f = 0); addresses are where to try.
 *
 * @throws HeadwaterError INVALID_ARGUMENT, INVALID_CONFIG for an address that is none, NETWORK, ABORTED; UNREACHABLE if nobody has
 *   told the group in time, with what came of asking at each address
 * @example
 * const known = await fetchGroup({ groupId: group.id, secretKey, peers: ['192.0.2.7:7811'] });
 * writeFileSync('group.json', formatGroup(known)); // the next start needs nobody
 * await using network = await createNetwork({ group: known, secretKey });
 */
export async function fetchGroup(options: FetchGroupOptions): Promise<Group> {
  checkOptions('options', options, OPTIONS);
  const { groupId, secretKey, peers, timeout = DEFAULT_TIMEOUT_MS, signal } = options;
  isBytes(32)('groupId', groupId);
  isBytes(32)('secretKey', secretKey);
  isTexts('peers', peers);
  if (peers.length < 1 || peers.length > MAX_PEERS)
    throw invalid('peers', `1 to ${MAX_PEERS} addresses`, peers.length);
  for (const peer of peers) parseLocator(peer, 'peers');
  if (signal?.aborted) throw aborted(signal);

  const problems = new Map<string, string>();
  const asker = new Asker(monotonic(), {
    groupId,
    keys: keyPair(secretKey),
    peers: [...new Set(peers)],
    random: (length) => Uint8Array.from(randomBytes(length)),
  });
  let socket: UdpSocket | undefined;
  let timer: NodeJS.Timeout | undefined;
  const turn = () => {
    const now = monotonic();
    if (asker.nextTimeout() <= now) asker.handleTimeout(now);
    for (let next = asker.pollTransmit(); next; next = asker.pollTransmit())
      socket?.send(next.to, next.bytes);
    socket?.flush();
    clearTimeout(timer);
    if (!asker.group) timer = setTimeout(turn, Math.max(1, (asker.nextTimeout() - now) / MILLISECOND));
  };
  const stop: (() => void)[] = [];
  try {
    return await new Promise<Group>((resolve, reject) => {
      const onAbort = () => reject(aborted(signal!));
      signal?.addEventListener('abort', onAbort, { once: true });
      const deadline = setTimeout(() => reject(unanswered(groupId, asker.asked, problems)), timeout);
      stop.push(
        () => signal?.removeEventListener('abort', onAbort),
        () => clearTimeout(deadline),
      );
      const onDatagram = (_from: string, bytes: Uint8Array) => {
        asker.handleDatagram(monotonic(), bytes);
        if (asker.group) resolve(asker.group);
        else turn();
      };
      openAny(0, peers, onDatagram, { onRoute: (change) => noteRoute(problems, change) }).then((opened) => {
        socket = opened;
        turn();
      }, reject);
    });
  } finally {
    for (const each of stop) each();
    clearTimeout(timer);
    await socket?.close();
  }
}

function aborted(signal: AbortSignal): HeadwaterError {
  return new HeadwaterError('ABORTED', 'group: aborted by the caller', { cause: signal.reason });
}

function noteRoute(problems: Map<string, string>, change: RouteChange): void {
  if (!('problem' in change)) problems.delete(change.locator);
  else
    problems.set(
      change.locator,
      change.problem === 'unknown-name' ? `its name is not known (${change.code})` : 'it has IPv6 only',
    );
}

function unanswered(
  groupId: Uint8Array,
  asked: readonly Asked[],
  problems: ReadonlyMap<string, string>,
): HeadwaterError {
  const each = asked.map((one) => `${one.address}: ${problems.get(one.address) ?? outcomeOf(one)}`);
  return new HeadwaterError(
    'UNREACHABLE',
    `group: expected a member to tell group ${toHex(groupId)}, got none (${each.join('; ')})`,
  );
}

function outcomeOf({ isRefused, wrong, reason, garbage }: Asked): string {
  if (wrong > 0) return `it told something else: ${reason}`;
  if (isRefused) return 'it says that this key is none of the group’s members';
  if (garbage > 0) return `${garbage} answers that are none`;
  return 'no answer: it does not run, cannot be reached, or is of another group';
}

const OPTIONS: Checks = {
  groupId: isBytes(32),
  secretKey: isBytes(32),
  peers: isTexts,
  timeout: isAtLeast(0),
  signal: isObjectWith('addEventListener', 'removeEventListener'),
};
const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_PEERS = 16;
