/** What is wrong with a member by its status: looked at each second. In: a status, and what it does not say. Out: conditions that hold. */

import type { Group, Member } from '../../group/group.js';
import { DATAGRAM_SIZE } from '../../wire/limits.js';
import { BY_WAY_OF, presentOf } from './build.js';
import { HINT_TEXTS, span } from './hints.js';
import type { NodeStatus, PeerStatus } from './shape.js';
import type { Condition } from './warnings.js';

/** Besides the status. */
export interface Measured {
  /** Of the last seconds those in which the loop came late. */
  lateSeconds: number;
  /** Mean time of a commit lately. */
  commitMs: number;
  /** How long the commit has taken that is under way; 0 if none is. */
  committingMs: number;
  /** Datagrams that the kernel has dropped lately for want of room. */
  newKernelDrops: number;
  /** Datagrams that the system would not send in the last seconds. */
  refused: number;
  /** Why the store could not be written last, if it was for another reason than that it is full. */
  storeProblem: string | undefined;
  /** The largest datagram worth a try, UDP payload. */
  maxDatagram: number;
  /** Share of the datagrams to a member that were lost in the last seconds; undefined where there were too few. */
  lossTo(member: Member): number | undefined;
}

export function conditionsOf(status: NodeStatus, group: Group, measured: Measured): Condition[] {
  const { quorum, peers } = status;
  const conditions: Condition[] = [];
  const present = presentOf(group);
  const missing = [...quorum.away, ...quorum.unheard.map((name) => `${name} (does not hear us)`)];
  if (quorum.have < quorum.need)
    conditions.push({
      code: 'no-quorum',
      text: `${quorum.have} of ${present.length} members are here, and ${quorum.need} are needed: no message is delivered until ${quorum.need - quorum.have} of these ${quorum.need - quorum.have === 1 ? 'is' : 'are'} back: ${some(missing)}`,
      after: AWAY_AFTER,
    });
  for (const peer of peers) {
    const member = memberOf(group, peer.name);
    if (present.includes(member)) conditions.push(...ofPeer(peer, member, measured));
  }
  return [
    ...conditions,
    ...ofStore(status, group, measured),
    ...ofConsumer(status),
    ...ofHost(status, measured),
  ];
}

function ofPeer(peer: PeerStatus, member: Member, { maxDatagram, lossTo }: Measured): Condition[] {
  const { name, reachable, datagramBytes, address, path } = peer;
  if (!reachable)
    return [
      {
        code: 'member-away',
        member,
        text: `nothing comes from ${name} (${address ?? 'no address in use'})`,
        after: AWAY_AFTER,
      },
    ];
  // Loss and small datagrams follow from it.
  if (path.probeTimeouts >= DEAF) {
    const text = HINT_TEXTS.unheard({ type: 'unheard', member });
    return [{ code: 'unheard', member, text, after: DEAF_AFTER }];
  }
  const conditions: Condition[] = [];
  const loss = lossTo(member) ?? 0;
  if (loss >= LOSSY)
    conditions.push({
      code: 'lossy-path',
      member,
      text: `${percent(loss)} of the datagrams to ${name} are lost on the way`,
      after: 5,
    });
  // What others pass on has no more bytes (PROTOCOL 4.8).
  if (datagramBytes <= DATAGRAM_SIZE && maxDatagram > DATAGRAM_SIZE && !address?.startsWith(BY_WAY_OF))
    conditions.push({
      code: 'narrow-path',
      member,
      text: `datagrams of more than ${datagramBytes} bytes do not reach ${name}: the path carries less than Ethernet does, and does not say so (an MTU hole: a tunnel, or a firewall that drops ICMP)`,
      after: 10,
    });
  return conditions;
}

function ofStore({ store, streams, peers }: NodeStatus, group: Group, measured: Measured): Condition[] {
  const conditions: Condition[] = [];
  const share = (store.storedBytes + store.pendingBytes) / store.boundBytes;
  if (share >= NEARLY_FULL)
    conditions.push({
      code: 'store-nearly-full',
      text: `messages take ${percent(share)} of what the store may hold (${store.boundBytes} bytes, see maxStoredBytes): beyond that the oldest are dropped, and members that lack them lose them`,
    });
  if (store.full)
    conditions.push(
      measured.storeProblem === undefined
        ? { code: 'store-full', text: HINT_TEXTS['store-full']({ type: 'store-full', full: true }) }
        : {
            code: 'store-error',
            text: `the store cannot be written, and nothing more is confirmed: ${measured.storeProblem}`,
          },
    );
  const slowest = Math.max(measured.commitMs, measured.committingMs);
  if (slowest >= SLOW_COMMIT_MS)
    conditions.push({
      code: 'slow-disk',
      text: `a commit to the store takes ${Math.round(slowest)} ms: messages are confirmed no faster`,
      after: 3,
    });
  if (share < HELD_BACK) return conditions;
  for (const { name, reachable } of peers) {
    const lacks = streams.reduce((sum, { lackedBy }) => sum + (lackedBy[name] ?? 0), 0);
    if (lacks > 0)
      conditions.push({
        code: 'held-back',
        member: memberOf(group, name),
        text: `${lacks} objects are kept since ${name}, which is ${reachable ? 'here' : 'away'}, lacks them: messages take ${percent(share)} of the store`,
        after: 5,
      });
  }
  return conditions;
}

function ofConsumer({ consumer }: NodeStatus): Condition[] {
  const { busyMs, waitingObjects } = consumer;
  if (busyMs === null || busyMs < SLOW_CONSUMER_MS) return [];
  return [
    {
      code: 'slow-consumer',
      text: `the consumer has had one message for ${span(busyMs)}, and ${waitingObjects} objects wait for it: deliver has not resolved, the loop has not asked for the next one, or nobody reads the output`,
    },
  ];
}

function ofHost({ host, socket, address }: NodeStatus, measured: Measured): Condition[] {
  const { lateSeconds, newKernelDrops, refused } = measured;
  const conditions: Condition[] = [];
  if (refused >= REFUSED)
    conditions.push({
      code: 'cannot-send',
      text: `the system has refused to send ${refused} datagrams in the last 10 s (${socket.refusal ?? 'no reason given'}): ${refusalText(socket.refusal, address)}`,
    });
  if (lateSeconds >= LATE_SECONDS)
    conditions.push({
      code: 'busy-host',
      text: `the event loop came up to ${Math.round(host.lagMs)} ms late in ${lateSeconds} of the last 5 s: the processor is busy elsewhere, or a callback holds the loop up`,
      until: BUSY_UNTIL,
    });
  if (newKernelDrops > 0)
    conditions.push({
      code: 'small-buffer',
      text: `the kernel has dropped ${newKernelDrops} datagrams since its buffer for the socket was full: see net.core.rmem_max`,
    });
  return conditions;
}

/** What is behind it, by send(2) and ip(7). */
function refusalText(code: string | undefined, address: string): string {
  if (code === 'EPERM' || code === 'EACCES') return 'a firewall of this machine drops what it sends';
  if (code === 'EINVAL' || code === 'EADDRNOTAVAIL')
    return `nothing can be sent there from ${address}, see --bind`;
  return 'there is no route to where they should go, or an interface is down';
}

function memberOf({ members }: Group, name: string): Member {
  return members.find((member) => member.name === name)!;
}

/** The first few of them. */
export function some(names: readonly string[]): string {
  return names.length > MAX_NAMED ? `${names.slice(0, MAX_NAMED).join(', ')}, ...` : names.join(', ');
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** Seconds: members of a group do not start at once, and one that is started again is back by then. */
const AWAY_AFTER = 5;
/** TCP stands still at such a loss; headwater does not, but spends bandwidth. */
const LOSSY = 0.15;
const NEARLY_FULL = 0.9;
const HELD_BACK = 0.5;
/** A disk that turns takes 10 to 30 ms for a commit, one that is shared and busy 100. */
const SLOW_COMMIT_MS = 250;
const SLOW_CONSUMER_MS = 10_000;
/** Seconds: a machine that is busy is so by fits and starts. */
const BUSY_UNTIL = 30;
/** Of the last five. */
const LATE_SECONDS = 3;
/** In ten seconds; one or two come with any change of an interface. */
const REFUSED = 3;
const MAX_NAMED = 8;
/** Probes in a row that nobody acknowledges, each twice as late: where a third is lost each way one in thirty comes to that, and not for long. */
const DEAF = 6;
/** Who is killed counts as reachable for three seconds more, and may be back and killed again: only who is so for longer is still heard. */
const DEAF_AFTER = 10;
