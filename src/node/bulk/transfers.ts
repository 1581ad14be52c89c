/**
 * Transfers of a running member: carries out what they ask for, at the files of whoever offers and takes, and tells those what
 * has changed. In: sources, a taker, requests. Out: calls of both, and their answers to the endpoint.
 */
import { defaultGroup } from '../../bulk/cast/address.js';
import type { FilesDoor } from '../../bulk/files.js';
import type { Manifest } from '../../bulk/manifest.js';
import {
  type BulkRequest,
  type CastGroup,
  type CastMode,
  TAKES_NO_MORE,
  type TransferStatus,
} from '../../bulk/ports.js';
import type { Micros } from '../../core/time.js';
import { HeadwaterError } from '../../errors.js';
import type { Group, Member } from '../../group/group.js';
import { parseLocator } from '../../group/locator.js';
import { type ObjectId, type StreamId, streamKey } from '../../wire/symbol.js';
import { type CastRoute, checkInterface, Groups, interfaceOf, sourceOf } from './groups.js';

/** What is offered. Slices are counted from 0. */
export interface Source {
  /** Fills `target`, and gives it back; undefined if the files are no longer what they were. */
  read(slice: number, target: Uint8Array): Promise<Uint8Array | undefined>;
}

/** What a member offers to us. */
export interface Offer {
  id: StreamId;
  from: Member;
  manifest: Manifest;
  bytes: Uint8Array;
  certificate: Uint8Array;
}

/** Where what is taken goes. */
export interface Target extends Source {
  /** Whether all of it stands there already, and nothing is to be received. */
  readonly isComplete: boolean;
  /** Slices that are there from before, with their certificates. */
  readonly held: Iterable<readonly [slice: number, certificate: Uint8Array]>;
  /** Resolves once it is durable. */
  write(slice: number, certificate: Uint8Array, bytes: Uint8Array): Promise<void>;
  /** All slices are written: gives the files their names. */
  complete(): Promise<void>;
  /** It will not be completed in this run: what is there is kept for the next one, unless it is `useless`. */
  close(useless: boolean): Promise<void>;
}

export interface Taker {
  /** May reject: the offer is refused then, for the reason that `reasonOf` gives. Calls `verifying` if it has to look at much. */
  open(offer: Offer, verifying: () => void): Promise<Target>;
  /** For other members: tells nothing of our files but what they need. */
  reasonOf(error: unknown): string;
  onChange(id: StreamId): void;
  onFailed(offer: Offer, error: unknown): void;
  /** The node is closed. */
  onClosed(): void;
}

/** How what others send by multicast is taken. */
interface Listening {
  /** Whether it is. */
  multicast?: boolean | undefined;
  /** Name or address of the interface; default: all. */
  at?: string | undefined;
}

/** How what is offered goes by multicast. */
export interface CastPlan extends CastRoute {
  mode: CastMode;
  /** Numeric address of the group. Default: one of the site's own range, from the transfer's number. */
  address?: string | undefined;
  port: number;
}

/** Who drives the endpoint. */
interface Clock {
  now(): Micros;
  wake(): void;
  onCast(key: string, bytes: Uint8Array): void;
}

export class Transfers {
  private readonly bulk: FilesDoor;
  private readonly group: Group;
  private readonly address: string;
  private readonly clock: () => Clock;
  private readonly sources = new Map<string, { source: Source; onChange: () => void }>();
  private readonly targets = new Map<string, { offer: Offer; target: Target }>();
  private readonly groups: Groups;
  private taker: Taker | undefined;
  private multicast = true;
  /** Of the node: nothing moves any more. */
  isClosed = false;

  /** @param address where this member is bound */
  constructor(bulk: FilesDoor, group: Group, address: string, clock: () => Clock) {
    this.bulk = bulk;
    this.address = address;
    this.group = group;
    this.clock = clock;
    this.groups = new Groups((key, bytes) => this.clock().onCast(key, bytes));
  }

  /**
   * Offers a tree to the group. Throws BUSY if it is offered already, INVALID_ARGUMENT for an interface that this machine does not
   * have.
   *
   * @param plan how it goes by multicast; default: not at all
   */
  offer(manifest: Uint8Array, source: Source, onChange: () => void, plan?: CastPlan): StreamId {
    const at = plan?.interface;
    if (plan) {
      // Before anything is begun.
      const given = plan.address ?? defaultGroup({ incarnation: 0 }, this.isV6);
      if (at !== undefined) interfaceOf(at, given.includes(':'));
      sourceOf(given, at);
    }
    let opened: CastGroup | undefined;
    const castTo = (id: StreamId) => {
      const address = plan!.address ?? defaultGroup(id, this.isV6);
      opened = { address, port: plan!.port, source: sourceOf(address, at) };
      return { to: opened, mode: plan!.mode };
    };
    const { origin, incarnation } = this.bulk.offer(this.clock().now(), manifest, plan && castTo);
    const id = { origin, incarnation };
    if (this.sources.has(streamKey(id)))
      throw new HeadwaterError('BUSY', 'transfer: expected one that is not under way, got the same again');
    if (plan && opened) {
      const isV6 = opened.address.includes(':');
      const bound = this.boundTo?.includes(':') === isV6 ? this.boundTo : undefined;
      this.groups.open(id, opened, { ttl: plan.ttl, interface: at ?? bound });
    }
    this.sources.set(streamKey(id), { source, onChange });
    this.clock().wake();
    return id;
  }

  /** Sends to whoever is there, and to those who come later. */
  start(id: StreamId): void {
    this.bulk.start(this.clock().now(), id);
    this.clock().wake();
  }

  /** Takes what is offered from now on; with undefined nothing more. Throws BUSY if somebody else does, INVALID_ARGUMENT for no interface. */
  take(taker: Taker | undefined, { multicast = true, at }: Listening = {}): void {
    if (taker && this.taker)
      throw new HeadwaterError('BUSY', 'transfers: expected nobody else who receives files, got one');
    if (this.isClosed) return;
    if (at !== undefined) checkInterface(at);
    this.taker = taker;
    this.multicast = multicast;
    this.groups.listenAt = at;
    this.answer((now) => this.bulk.take(now, taker !== undefined, multicast));
    if (!taker) void this.giveBack();
  }

  /** Gives up what we offer: all who receive it are told why. */
  fail(id: StreamId, reason: string): void {
    this.answer((now) => this.bulk.fail(now, id, reason));
  }

  /** Nothing more is said or sent of it. */
  close(id: StreamId): void {
    if (!this.isClosed) this.bulk.close(id);
    this.groups.shut(id);
    this.sources.delete(streamKey(id));
  }

  /** Indices of the other members that are within reach. */
  reachable(): Set<number> {
    return this.isClosed ? new Set() : this.bulk.reachable(this.clock().now());
  }

  status(id: StreamId): TransferStatus | undefined {
    return this.isClosed ? undefined : this.bulk.status(id);
  }

  /** Something has changed of it. */
  onEvent(id: StreamId): void {
    this.sources.get(streamKey(id))?.onChange();
    this.taker?.onChange(id);
  }

  /** The node closes: ends what is under way, and closes what is written to. */
  async stop(): Promise<void> {
    this.isClosed = true;
    for (const { onChange } of [...this.sources.values()]) onChange();
    this.taker?.onClosed();
    await Promise.all([...this.targets.values()].map(({ target }) => target.close(false)));
    this.targets.clear();
    this.groups.close();
  }

  /** Sends a datagram to the group of one of our transfers. */
  send(id: StreamId, bytes: Uint8Array): void {
    this.groups.send(id, bytes);
  }

  serve(request: BulkRequest): void {
    switch (request.type) {
      case 'open':
        void this.open(request);
        break;
      case 'write':
        void this.write(request.id, request.certificate, request.bytes);
        break;
      case 'read':
        void this.read(request.id, request.target);
        break;
      case 'complete':
        void this.complete(request.id);
        break;
      case 'join':
        void this.groups
          .join(request.id, request.group)
          .then((failure) => this.answer((now) => this.bulk.handleJoined(now, request.id, failure)));
        break;
      case 'leave':
        this.groups.leave(request.id);
        break;
      case 'abandon':
        void this.drop(request.id, request.isUseless);
        break;
    }
  }

  private get isV6(): boolean {
    return this.address.startsWith('[') && !this.address.startsWith('[::]');
  }

  /** The address that this member is bound to, if it is one: by that interface the others know it. */
  private get boundTo(): string | undefined {
    const { host } = parseLocator(this.address);
    return host === '0.0.0.0' || host === '::' ? undefined : host;
  }

  private async open({
    id,
    certificate,
    bytes,
    isSaved,
  }: Extract<BulkRequest, { type: 'open' }>): Promise<void> {
    const { taker, bulk } = this;
    const manifest = bulk.status(id)?.manifest;
    // Who takes nothing more has saved it all the same.
    const refuse = (reason: string) =>
      this.answer((now) => (isSaved ? bulk.handleCompleted(now, id) : bulk.fail(now, id, reason)));
    if (!taker || !manifest) return refuse(TAKES_NO_MORE);
    const offer = { id, from: this.group.members[id.origin], manifest, bytes, certificate };
    try {
      const target = await taker.open(offer, () => this.answer((now) => bulk.verify(now, id)));
      await this.drop(id, false);
      this.targets.set(streamKey(id), { offer, target });
      if (this.taker !== taker) return this.giveBack();
      if (target.isComplete) return this.answer((now) => bulk.handleCompleted(now, id));
      const held = [...target.held].map(([slice, shown]) => [slice + 1, shown] as const);
      this.answer((now) => bulk.accept(now, id, held));
    } catch (error) {
      taker.onFailed(offer, error);
      if ((error as HeadwaterError).code === 'BUSY') refuse(taker.reasonOf(error));
      else this.answer((now) => bulk.fail(now, id, taker.reasonOf(error)));
    }
  }

  private async write(id: ObjectId, certificate: Uint8Array, bytes: Uint8Array): Promise<void> {
    await this.attempt(id, async (target) => {
      await target.write(id.seq - 1, certificate, bytes);
      this.answer((now) => this.bulk.handleWritten(now, id, certificate, bytes));
    });
  }

  private async complete(id: StreamId): Promise<void> {
    await this.attempt(id, async (target) => {
      await target.complete();
      this.answer((now) => this.bulk.handleCompleted(now, id));
    });
  }

  private async read(id: ObjectId, target: Uint8Array): Promise<void> {
    const key = streamKey(id);
    const source = this.sources.get(key)?.source ?? this.targets.get(key)?.target;
    const bytes = await source?.read(id.seq - 1, target).catch(() => undefined);
    this.answer((now) => this.bulk.handleRead(now, id, bytes));
  }

  private async attempt(id: StreamId, act: (target: Target) => Promise<void>): Promise<void> {
    const open = this.targets.get(streamKey(id));
    if (!open) return;
    try {
      await act(open.target);
    } catch (error) {
      if (this.targets.get(streamKey(id)) !== open) return;
      void this.drop(id, false);
      this.taker?.onFailed(open.offer, error);
      const reason = this.taker?.reasonOf(error) ?? TAKES_NO_MORE;
      this.answer((now) => this.bulk.fail(now, id, reason));
    }
  }

  /** Nobody here takes any more what is under way. Who closes the node now may come back, and then nobody is told so. */
  private async giveBack(): Promise<void> {
    const left = [...this.targets.values()].flatMap(({ offer: { id } }) =>
      this.bulk.status(id)?.state === 'saved' ? [] : [id],
    );
    await Promise.all(left.map((id) => this.drop(id, false)));
    this.answer((now) => {
      for (const id of left) this.bulk.fail(now, id, TAKES_NO_MORE);
      // Somebody else has come meanwhile.
      if (this.taker) this.bulk.take(now, true, this.multicast);
    });
  }

  private async drop(id: StreamId, useless: boolean): Promise<void> {
    const open = this.targets.get(streamKey(id));
    this.targets.delete(streamKey(id));
    await open?.target.close(useless).catch(() => {});
  }

  private answer(tell: (now: Micros) => void): void {
    if (this.isClosed) return;
    tell(this.clock().now());
    this.clock().wake();
  }
}
