/** The spread without any agreement: one object goes from one member to two others, over links that lose datagrams. */
import { expect, test } from 'vitest';
import { createMetrics } from '../../../src/broadcast/metrics.js';
import { Objects } from '../../../src/broadcast/spread/objects.js';
import { Transfer } from '../../../src/broadcast/spread/transfer.js';
import { fixedRate } from '../../../src/congestion/controller.js';
import { Marks } from '../../../src/core/marks.js';
import { Rng } from '../../../src/core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../../src/core/time.js';
import { Path } from '../../../src/path/path.js';
import { type ObjectId, parseSymbol } from '../../../src/wire/symbol.js';
import { descriptorOf, servedSymbol, storedObject } from '../objects.js';
import { smallGroup } from '../small-group.js';
import { type Taken, Way } from '../way.js';
import { type Shelf, Shelves } from './shelf.js';

const MEMBERS = 3;
const ONE_WAY = 10 * MILLISECOND;
const LOSS = 0.2;
const small = smallGroup(MEMBERS);

test('an object of 62 symbols gets to two members though every fifth datagram is lost, and then nothing more is sent', () => {
  const world = new World();
  const bytes = new Rng('object').bytes(60_000);
  world.members[0].publish({ origin: 0, incarnation: 1, seq: 0 }, bytes);
  world.run(2 * SECOND);
  expect(world.members.map(({ got }) => got)).toEqual([undefined, bytes, bytes]);
  expect([world.lost > 0, world.members[0].transfer.sending.size]).toEqual([true, 0]);
});

test('an object that we send, and are served because our store has lost it, keeps nobody busy', () => {
  const [member] = new World().members;
  const id = { origin: 0, incarnation: 1, seq: 0 };
  const bytes = new Rng('object').bytes(60_000);
  const stored = storedObject(id, bytes, small);
  member.transfer.send(0, member.shelves.signed(id), stored);
  const symbol = bytes.subarray(0, descriptorOf(id, bytes).symbolSize);
  const body = servedSymbol(stored.certificate, { sbn: 0, esi: 0 }, symbol);
  expect(member.transfer.handleSymbol(MILLISECOND, 1, parseSymbol(body), body).add).toBe(true);
  for (let now = member.transfer.nextTimeout(); now < SECOND; now = member.transfer.nextTimeout()) {
    member.transfer.handleTimeout(now);
    expect(member.transfer.nextTimeout()).toBeGreaterThan(now);
  }
});

class Member {
  readonly shelves: Shelves;
  readonly transfer: Transfer<Shelf>;
  readonly paths: (Path | undefined)[];
  got: Uint8Array | undefined;
  private readonly objects = new Objects<Shelf>();

  constructor(self: number) {
    const rng = new Rng(`member ${self}`);
    const metrics = createMetrics();
    this.shelves = new Shelves(self, MEMBERS);
    this.paths = small.keys.map((_, peer) => (peer === self ? undefined : pathTo()));
    const options = {
      ...{ group: small.group, self, keys: small.keys[self], paths: this.paths, rng },
      ...{ maxObjectSize: 1e6, maxStoredBytes: 1e8, relay: true, changed: new Marks(MEMBERS) },
      isStoreBusy: () => false,
    };
    this.transfer = new Transfer(options, metrics, { streams: this.shelves, objects: this.objects });
  }

  publish(id: ObjectId, bytes: Uint8Array): void {
    const shelf = this.shelves.signed(id);
    shelf.holders[id.origin].add(id.seq);
    this.transfer.send(0, shelf, storedObject(id, bytes, small));
  }

  /** A symbol of `from`: what it completes is held at once. */
  hear(now: Micros, from: number, { frame, body }: Taken, self: number): void {
    const { arrival } = this.transfer.handleSymbol(now, from, frame, body);
    if (arrival?.type !== 'complete') return;
    const { object, stored } = arrival;
    this.got = stored.bytes;
    object.stream.holders[self].add(object.seq);
    this.transfer.onHeld(now, object);
  }

  /** `from` says that it holds the object. */
  hearThatHeld(from: number): void {
    const { shelf } = this.shelves;
    const object = shelf && this.objects.find(shelf, 0);
    if (!shelf) return;
    shelf.holders[from].add(0);
    this.transfer.relaying.relays.onHeard(from);
    object?.outgoing?.onConfirm(from);
    if (object?.outgoing && shelf.holders.every((held) => held.has(0))) this.transfer.forget(object);
  }
}

/** Three members, a clock that goes by milliseconds, and the way between them. */
class World {
  readonly members = small.keys.map((_, self) => new Member(self));
  lost = 0;
  private readonly ways = Array.from({ length: MEMBERS * MEMBERS }, () => new Way());
  private readonly rng = new Rng('links');
  private readonly underWay: { at: Micros; arrive: (now: Micros) => void }[] = [];

  run(end: Micros): void {
    for (let now = 0; now < end; now += MILLISECOND) {
      while (this.underWay[0]?.at <= now) this.underWay.shift()!.arrive(now);
      this.members.forEach((member, self) => {
        if (member.transfer.nextTimeout() <= now) member.transfer.handleTimeout(now);
        for (let peer = 0; peer < MEMBERS; peer++) if (peer !== self) this.send(now, self, peer);
      });
    }
  }

  /** A symbol each millisecond and peer, what there is of progress, and ten times a second who holds the object. */
  private send(now: Micros, self: number, peer: number): void {
    const [from, to] = [this.members[self], this.members[peer]];
    const way = this.ways[MEMBERS * self + peer];
    let isTaken = false;
    const taken = way.next((writer) => {
      const { transfer } = from;
      isTaken = !isTaken && (transfer.nextOwn(now, peer, writer) || transfer.relaying.next(peer, writer));
      return isTaken;
    });
    for (const each of taken) this.post(now, self, to, (at) => to.hear(at, self, each, peer));
    for (const frame of from.transfer.takeNews(peer, 1000))
      this.post(now, self, to, (at) => to.transfer.onProgress(at, self, to.shelves.signed(frame.id), frame));
    if (now % (100 * MILLISECOND) === 0 && from.shelves.shelf?.holds(0))
      this.post(now, self, to, () => to.hearThatHeld(self));
  }

  private post(now: Micros, from: number, to: Member, arrive: (now: Micros) => void): void {
    if (this.rng.float() < LOSS) {
      this.lost++;
      return;
    }
    this.underWay.push({
      at: now + ONE_WAY,
      arrive: (at) => {
        to.paths[from]!.heardAt = at;
        arrive(at);
      },
    });
  }
}

function pathTo(): Path {
  const path = new Path({ controller: () => fixedRate(1e6), rng: new Rng('path'), maxDatagram: 1232 });
  path.isOpen = true;
  path.heardAt = 0;
  path.rtt.onSample(2 * ONE_WAY);
  return path;
}
