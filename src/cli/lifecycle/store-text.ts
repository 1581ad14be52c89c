/** What a store holds, in words and as JSON. In: a store that is inspected, and its group if that is known. Out: plain data, lines. */
import { toHex } from '../../core/bytes.js';
import type { Inspection } from '../../disk/inspect.js';
import type { Group } from '../../group/group.js';
import { streamKey } from '../../wire/symbol.js';
import { formatBytes } from '../io.js';

/** As `store info --json` prints it. */
export interface StoreInfo {
  path: string;
  /** Of the layout of its records. */
  version: number;
  group: { name: string | null; id: string };
  member: { name: string | null; publicKey: string };
  /** When its own stream began, and when it was opened last, as ISO 8601. */
  incarnationAt: string;
  openedAt: string | null;
  /** Whether the process that had it last has closed it. */
  closed: boolean;
  fileBytes: number;
  freeBytes: number;
  storedBytes: number;
  objects: number;
  undeliveredObjects: number;
  deadLetters: number;
  sentKeys: number;
  streams: StreamInfo[];
}

interface StreamInfo {
  from: string;
  incarnation: number;
  /** Objects below are no longer kept. */
  keptFrom: number;
  delivered: number;
  /** Objects below are held without a gap. */
  held: number;
}

export async function infoOf(store: Inspection, group: Group | undefined): Promise<StoreInfo> {
  const held = new Map(store.streams.map((state) => [streamKey(state), state.delivered]));
  let objects = 0;
  let undelivered = 0;
  const delivered = new Map(held);
  for await (const { seq, ...stream } of store.objects()) {
    const key = streamKey(stream);
    objects++;
    if (seq >= (delivered.get(key) ?? 0)) undelivered++;
    if (seq === held.get(key)) held.set(key, seq + 1);
  }
  const { header, file } = store;
  const own = group?.members.find(({ publicKey }) => toHex(publicKey) === toHex(header.publicKey));
  return {
    path: store.path,
    version: header.version,
    group: { name: group?.name ?? null, id: toHex(header.groupId) },
    member: { name: own?.name ?? null, publicKey: toHex(header.publicKey) },
    incarnationAt: iso(header.incarnation),
    openedAt: store.session === undefined ? null : iso(store.session),
    closed: store.isClosed,
    fileBytes: file.bytes,
    freeBytes: file.free,
    storedBytes: store.storedBytes,
    objects,
    undeliveredObjects: undelivered,
    deadLetters: store.letters.length,
    sentKeys: store.sentKeys,
    streams: store.streams.map((state) => ({
      from: nameOf(group, state.origin),
      incarnation: state.incarnation,
      keptFrom: state.base,
      delivered: state.delivered,
      held: held.get(streamKey(state)) ?? state.delivered,
    })),
  };
}

export function infoLines(info: StoreInfo): string[] {
  const { group, member, streams } = info;
  return [
    row('store', info.path),
    row(
      '',
      `version ${info.version}, ${formatBytes(info.fileBytes)}, ${formatBytes(info.freeBytes)} of it free`,
    ),
    row('group', group.name ?? group.id),
    ...(group.name === null ? [] : [row('', group.id)]),
    row('member', member.name ?? member.publicKey),
    ...(member.name === null ? [] : [row('', member.publicKey)]),
    row('begun', info.incarnationAt),
    row('opened', info.openedAt ?? 'not known'),
    row('closed', info.closed ? 'yes' : 'no: its process was killed or has crashed'),
    row('messages', `${info.objects} objects, ${formatBytes(info.storedBytes)} with what they take beside`),
    row('', `${info.undeliveredObjects} of them not delivered; ${info.deadLetters} dead letters`),
    row('keys', `${info.sentKeys} under which messages were sent`),
    ...(streams.length === 0 ? [] : ['', columns('from', 'incarnation', 'kept from', 'delivered', 'held')]),
    ...streams.map(({ from, incarnation, keptFrom, delivered, held }) =>
      columns(from, String(incarnation), String(keptFrom), String(delivered), String(held)),
    ),
  ];
}

/** Without a group file a member is known by its place in it. */
export function nameOf(group: Group | undefined, origin: number): string {
  return group?.members[origin]?.name ?? `member-${origin}`;
}

function row(title: string, text: string): string {
  return `${title.padEnd(10)}${text}`;
}

function columns(from: string, ...numbers: string[]): string {
  return `${from.padEnd(20)}${numbers.map((text) => text.padStart(15)).join('')}`;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
