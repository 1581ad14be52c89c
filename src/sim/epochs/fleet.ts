/** The members of a group that changes, in the virtual world. In: group files, crashes, starts. Out: what they lack that they must deliver. */
import { fixedRate } from '../../congestion/controller.js';
import { compareBytes, Writer } from '../../core/bytes.js';
import { Rng } from '../../core/rng.js';
import { MILLISECOND, type Micros } from '../../core/time.js';
import { type KeyPair, keyPair } from '../../crypto/keys.js';
import type { Chain } from '../../group/epochs/chain.js';
import { majority } from '../../group/epochs/descriptor.js';
import { beginChain } from '../../group/epochs/propose.js';
import { groupOfChain } from '../../group/epochs/view.js';
import { Endpoint } from '../../member/endpoint.js';
import { withDefaults } from '../../options.js';
import { DATAGRAM_SIZE } from '../../wire/limits.js';
import { streamKey } from '../../wire/symbol.js';
import { Checker } from '../checker.js';
import { addressOf } from '../cluster.js';
import { SimDisk } from '../disk.js';
import { type SimEvent, SimMember } from '../member.js';
import type { LinkOptions } from '../net/link.js';
import { iid } from '../net/loss.js';
import { World } from '../world.js';

export interface FleetOptions {
  rng: Rng;
  size: number;
  most: number;
  keepLines: number;
  /** What is not given is drawn. */
  conditions?: Conditions;
}

/** What messages go through. */
export interface Conditions {
  order: 'fifo' | 'causal';
  links: LinkOptions;
  /** How long a disk takes. */
  disk: Micros;
}

/** The members of a group that changes, what each was given and has delivered, and what the checker is told of it. */
export class Fleet {
  protected readonly seed: string;
  protected readonly rng: Rng;
  protected readonly world: World;
  protected readonly keys: KeyPair[];
  /** By slot; undefined until one that joins has started. */
  protected readonly members: (SimMember | undefined)[] = [];
  /** By member: the group file that it has. */
  protected readonly chains: Chain[] = [];
  /** Members that have stopped for good. */
  protected readonly gone = new Set<number>();
  protected readonly checker: Checker;
  protected chain: Chain;
  protected readonly order: 'fifo' | 'causal';
  protected numbered = 0;
  protected starts = 0;
  /** By member: the messages that it delivered, by stream. */
  protected readonly lists: Map<string, string[]>[] = [];
  protected readonly joined = new Set<number>();
  /** Descriptors are signed by this one. */
  protected readonly operator: KeyPair;
  /** How long each takes; undefined: drawn for each. */
  private readonly disk: Micros | undefined;

  /** @param most members that there ever will be, `size` of them from the start */
  constructor(seed: string, { rng, size, most, keepLines, conditions }: FleetOptions) {
    this.seed = seed;
    this.rng = rng;
    this.disk = conditions?.disk;
    this.order = conditions?.order ?? (rng.chance(0.3) ? 'causal' : 'fifo');
    const first = Array.from({ length: size }, () => keyPair(rng.bytes(32)));
    first.sort((a, b) => compareBytes(a.publicKey, b.publicKey));
    this.keys = [...first, ...Array.from({ length: most - size }, () => keyPair(rng.bytes(32)))];
    this.operator = keyPair(rng.bytes(32));
    this.world = new World(seed, { links: conditions?.links ?? drawLinks(rng), keepLines });
    this.chain = beginChain({
      name: `changes-${seed}`,
      members: first.map((_, i) => this.memberOf(i)),
      operators: [this.operator.publicKey],
      faulty: mostFaulty(size),
    });
    const all = Array.from({ length: most }, (_, i) => i);
    this.checker = new Checker({
      correct: all.map(() => true),
      // What is lost with whom is known at the end.
      lasting: all.map(() => false),
      damaged: all.map((i) => i >= size),
      order: this.order,
      quorum: 1,
    });
    for (const i of all) this.lists[i] = new Map();
    first.forEach((_, i) => void this.begin(i, this.chain));
  }

  protected memberOf(index: number) {
    return { name: `m${index}`, publicKey: this.keys[index].publicKey, locators: [addressOf(index)] };
  }

  /** The member is given this group file: it starts again with it. */
  protected apply(index: number, chain: Chain): void {
    if (chain.length <= (this.chains[index]?.length ?? 0)) return;
    this.chains[index] = chain;
    if (!this.members[index]?.isLive) return;
    this.stop(index);
    this.resume(index);
  }

  protected begin(index: number, chain: Chain): void {
    if (this.gone.has(index)) return;
    this.chains[index] = this.chains[index] ?? chain;
    const { seed } = this;
    const disk = new SimDisk(new Rng(`${seed} disk ${index}`), 1, {
      delay: this.disk ?? this.rng.pick([0, 1, 5, 20]) * MILLISECOND,
    });
    this.members[index] = new SimMember({
      index,
      address: addressOf(index),
      disk,
      clock: () => ({ offset: 0, rate: 1 }),
      consume: () => 0,
      start: (start, loaded) =>
        new Endpoint({
          ...withDefaults(),
          group: groupOfChain(this.chains[index]),
          keys: this.keys[index],
          rng: new Rng(`${seed} member ${index} ${start}`),
          incarnation: start,
          entropy: new Rng(`${seed} entropy ${index} ${start}`),
          controller: () => fixedRate(2.5e6),
          maxDatagram: DATAGRAM_SIZE,
          loaded,
          order: this.order,
        }),
      onRequest: () => {},
      onEvent: (member, event) => this.onEvent(member, event),
    });
    this.starts++;
    this.world.addNode(addressOf(index), this.members[index]!);
  }

  protected stop(index: number): void {
    const member = this.members[index];
    if (!member?.isLive) return;
    this.world.removeNode(member.address);
    member.crash();
    this.checker.crashed(index);
  }

  protected resume(index: number): void {
    const member = this.members[index];
    if (!member || member.isLive || this.gone.has(index)) return;
    member.start();
    this.starts++;
    this.world.addNode(member.address, member);
    const loaded = member.disk.load();
    this.checker.restarted(index, loaded);
    if (this.joined.has(index)) this.forgetUnsafe(index, loaded.streams);
  }

  protected broadcast(index: number): void {
    const member = this.members[index];
    if (!member?.isLive || !member.endpoint.messages.hasRoom || !member.endpoint.epochs!.change.isMember)
      return;
    const bytes = this.rng.bytes(this.rng.pick([8, 60, 3000]));
    bytes.set(new Writer(4).u32(this.numbered++).finish());
    this.checker.submitted(index, member.endpoint.messages.submit(bytes), bytes);
    member.settle(this.world.now);
    this.world.poll(member.address);
  }

  /** C8, seen from above. */
  protected isOver(epoch: number): boolean {
    const { members } = this.chain[epoch];
    const active = members.filter(({ slot }) => {
      const member = this.members[slot];
      // What is not on the disk may be forgotten.
      return (
        member?.isLive && !member.endpoint.epochs!.isSilent && member.endpoint.epochs!.change.active >= epoch
      );
    });
    return active.length > members.length / 2;
  }

  protected onEvent(member: SimMember, event: SimEvent): void {
    const { checker, world } = this;
    const { index } = member;
    const what =
      'epoch' in event ? ` ${event.epoch}` : 'id' in event ? ` ${event.id.origin}/${event.id.seq}` : '';
    world.log(`${index} ${event.type}${what}`);
    switch (event.type) {
      case 'durable':
        return checker.durable(index, event.id, event.tickets);
      case 'deliver': {
        const key = streamKey(event.id);
        const list = this.lists[index].get(key) ?? [];
        this.lists[index].set(key, [...list, `${event.id.seq}.${event.id.index}`]);
        return checker.delivered(index, event.id, event.bytes);
      }
      case 'consumed':
        return checker.consumed(index);
      case 'commit':
        return checker.commitBegun(
          index,
          event.writes.flatMap((write) => (write.type === 'object' ? [write.object] : [])),
        );
      case 'committed':
        checker.commitEnded(index, event.ok);
        return;
      case 'disagreement':
        return checker.disagreed(index);
      case 'begun-anew':
        return checker.fail(index, 'has begun another stream');
      case 'lost':
        // Who is removed is kept nothing for.
        if (!this.chain.at(-1)!.members.some(({ slot }) => slot === index)) return;
        return checker.fail(
          index,
          `says that objects ${event.from} to ${event.to} of ${event.member} are gone`,
        );
      case 'epoch-unknown': {
        const { member: from } = event;
        const { chain } = this;
        world.at(world.now + 50 * MILLISECOND, () => {
          const known = this.chains[from];
          if (known && known.length <= chain.length) this.apply(index, known);
        });
      }
    }
  }

  /** What a member that joined delivered and may deliver again. */
  protected forgetUnsafe(
    index: number,
    streams: readonly { origin: number; incarnation: number; delivered: number }[],
  ): void {
    for (const [key, list] of this.lists[index]) {
      const { delivered = 0 } = streams.find((stream) => streamKey(stream) === key) ?? {};
      this.lists[index].set(
        key,
        list.filter((name) => Number(name.split('.')[0]) < delivered),
      );
    }
  }

  /** What is still to come, of those that stay. */
  protected unfinished(): string | undefined {
    const newest = this.chain[this.chain.length - 1];
    const stay = newest.members.map(({ slot }) => slot).filter((slot) => !this.gone.has(slot));
    const all = new Map<string, Set<string>>();
    const add = (key: string, name: string) => {
      const names = all.get(key) ?? new Set();
      all.set(key, names.add(name));
    };
    this.lists.forEach((lists) => {
      for (const [key, list] of lists) for (const name of list) add(key, name);
    });
    for (const slot of stay) {
      const member = this.members[slot];
      if (!member) return `member ${slot} has not started`;
      const { change } = member.endpoint.epochs!;
      if (change.active !== newest.epoch)
        return `member ${slot} is active in ${change.active} of ${newest.epoch}`;
      const own = this.members[slot]!.endpoint.status(this.world.now).streams.filter(
        ({ origin }) => origin === slot,
      );
      for (const { count, delivered } of own)
        if (delivered < count) return `member ${slot} has ${delivered} of its own ${count}`;
      for (const [key, names] of all) {
        const has = this.lists[slot].get(key) ?? [];
        const missing = [...names].filter((name) => !has.includes(name));
        if (missing.length === 0) continue;
        // Who joined has nothing of what was before it.
        const first = has.length > 0 ? seqOf(has[0]) : (this.cursorOf(slot, key) ?? this.baseOf(stay, key));
        const owed = this.joined.has(slot) ? missing.filter((name) => seqOf(name) >= first) : missing;
        if (owed.length > 0) return `member ${slot} has not delivered ${owed.slice(0, 3)} of ${key}`;
      }
    }
    return undefined;
  }

  protected cursorOf(slot: number, key: string): number | undefined {
    const streams = this.members[slot]!.endpoint.status(this.world.now).streams;
    return streams.find((stream) => streamKey(stream) === key)?.delivered;
  }

  /** All of these keep the stream from here on: none has begun it later. */
  protected baseOf(slots: readonly number[], key: string): number {
    const bases = slots.flatMap((slot) =>
      this.members[slot]!.endpoint.status(this.world.now).streams.flatMap((stream) =>
        streamKey(stream) === key ? [stream.base] : [],
      ),
    );
    return Math.max(0, ...bases);
  }
}

function drawLinks(rng: Rng): LinkOptions {
  const loss = rng.chance(0.5) ? 0 : 0.02 + 0.1 * rng.float();
  const delay = rng.pick([1, 5, 20, 60]) * MILLISECOND;
  return { delay, jitter: delay, loss: iid(loss) };
}

function seqOf(name: string): number {
  return Number(name.split('.')[0]);
}

/** Of members of which a quorum is a majority. */
export function mostFaulty(n: number): number {
  return n - majority(n);
}
