/** What a node is made of, by its options and its group: the endpoint, and where its socket is bound. */
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { CONTROLLERS } from '../congestion/index.js';
import { toHex } from '../core/bytes.js';
import { Rng } from '../core/rng.js';
import { keyPair } from '../crypto/keys.js';
import { HeadwaterError } from '../errors.js';
import type { Group, Member } from '../group/group.js';
import { parseLocator } from '../group/locator.js';
import { Endpoint, type EndpointOptions } from '../member/endpoint.js';
import { type Given, type Identity, SETTINGS, type Settings, withDefaults } from '../options.js';
import type { Store } from '../store/store.js';
import { MAX_DATAGRAM } from '../wire/limits.js';
import type { RouteChange } from './routes.js';
import { openUdp, type UdpSocket } from './udp.js';

/** The member as a state machine, with what it is given of the outside world. */
export function createEndpoint(
  options: Identity & Given<Settings>,
  { loaded }: Store,
  observers: Pick<EndpointOptions, 'observer' | 'observe' | 'dialect'>,
): Endpoint {
  const { group, secretKey, maxDatagram = largestDatagram(group) } = options;
  const settings = withDefaults({ ...options, maxDatagram });
  return new Endpoint({
    ...settings,
    ...observers,
    group,
    keys: keyPair(secretKey),
    rng: new Rng(toHex(randomBytes(16))),
    incarnation: loaded.session,
    epoch: performance.timeOrigin,
    entropy: { bytes: (length) => Uint8Array.from(randomBytes(length)) },
    controller: CONTROLLERS[settings.controller],
    loaded,
  });
}

type OnAddress = (event: { type: 'address'; member: Member } & RouteChange) => void;

/** A socket for a member of the group, which tells where the others' addresses lead. @throws HeadwaterError NETWORK */
export function openMemberSocket(
  { group, bind, onEvent }: Pick<Identity, 'group' | 'bind'> & { onEvent?: OnAddress | undefined },
  self: Member,
  onDatagram: Parameters<typeof openUdp>[2],
): Promise<UdpSocket> {
  const peers = group.members.filter((member) => member !== self);
  const locators = peers.flatMap((peer) => peer.locators);
  return openUdp(bind ?? bindingFor(self, locators), locators, onDatagram, {
    onRoute(change) {
      const member = peers.find((peer) => peer.locators.includes(change.locator))!;
      onEvent?.({ type: 'address', member, ...change });
    },
  });
}

/** One socket hears on all addresses of the machine, which a socket bound to one of them would not. */
function bindingFor({ locators }: Member, peers: readonly string[]): string {
  if (locators.length === 1) return locators[0];
  // Who has no address calls others: from any port, and over what they have.
  if (locators.length === 0) return peers.some((peer) => !peer.startsWith('[')) ? '0.0.0.0:0' : '[::]:0';
  const ports = new Set(locators.map((locator) => parseLocator(locator).port));
  if (ports.size > 1)
    throw new HeadwaterError(
      'INVALID_CONFIG',
      `bind: expected an address to bind, since this member's own differ in port (${locators.join(', ')})`,
    );
  const any = locators.some((locator) => locator.startsWith('[')) ? '[::]' : '0.0.0.0';
  return `${any}:${[...ports][0]}`;
}

/** Addresses at which this machine may be reached in the networks that it is in, where a socket is bound to all; none otherwise. */
export function nearbyAddresses(bound: string): string[] {
  const { host, port } = parseLocator(bound);
  if (host !== '0.0.0.0' && host !== '::') return [];
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return all
    .filter(({ internal, family }) => !internal && (host === '::' || family === 'IPv4'))
    .map(({ address, family }) => (family === 'IPv4' ? `${address}:${port}` : `[${address}]:${port}`));
}

/**
 * The system cuts up what the network does not carry and puts it together again, and Node has no way to forbid that. So a
 * large probe arrives whatever the path is, and a loss of one piece is then a loss of all.
 */
export function largestDatagram({ members }: Group): number {
  const isLocal = (locator: string) => /^(127\.|\[::1\]|localhost:)/.test(locator);
  return members.every(({ locators }) => locators.length > 0 && locators.every(isLocal))
    ? MAX_DATAGRAM
    : SETTINGS.maxDatagram.default;
}

/** What a member has sealed it must not forget. Throws INVALID_ARGUMENT without a store in a group that changes. */
export function requireStore({ group, store }: { group: Group; store?: Store | undefined }): void {
  if (group.epochs && !store)
    throw new HeadwaterError(
      'INVALID_ARGUMENT',
      'store: expected one that outlives the process, in a group that changes; got none',
    );
}

/** What a removed member says nobody would deliver. Throws CLOSED if it is one. */
export function requireMember({ epochs }: Endpoint): void {
  if (epochs && !epochs.change.isMember)
    throw new HeadwaterError(
      'CLOSED',
      `member: expected one of epoch ${epochs.change.has}, got one that is removed in it`,
    );
}
