/**
 * The group that follows another one: its file, and whether a member of the old one has nothing left to say or to hear. In: the old file's text
 * and what is to change; a member's status. Out: the new text; what keeps the old group from being over.
 */
import { HeadwaterError } from '../../errors.js';
import { parseGroup } from '../../group/group.js';
import type { NodeStatus } from '../../node/status/shape.js';

/** An entry of a group file. */
export interface FileMember {
  name: string;
  key: string;
  address?: string;
  addresses?: string[];
}

/** What is to be another one in the next group. */
export interface Changes {
  name?: string | undefined;
  /** Names of members that are in it no more. */
  remove: readonly string[];
  add: readonly FileMember[];
  rekey: readonly Pick<FileMember, 'name' | 'key'>[];
  move: readonly Omit<FileMember, 'key'>[];
  faulty?: number | undefined;
  byzantine?: number | undefined;
  pessimism?: number | undefined;
}

export interface NextGroup {
  text: string;
  /** Of the old group: names of members that are in both, with the same key. */
  staying: string[];
}

/**
 * @param text of the old group's file, which is valid
 * @throws HeadwaterError INVALID_ARGUMENT if the changes do not fit it, or are none that takes a new group
 */
export function nextGroup(text: string, changes: Changes): NextGroup {
  const file = JSON.parse(text) as { name: string; members: FileMember[]; [bound: string]: unknown };
  const old = parseGroup(text).members;
  const { faulty, byzantine, pessimism } = changes;
  const bounds = Object.entries({ faulty, byzantine, pessimism }).filter(([, value]) => value !== undefined);
  const { remove, add, rekey, move } = changes;
  if (remove.length + add.length + rekey.length + bounds.length === 0)
    throw wrong(
      'expected a change of members, keys or bounds, got none: addresses may be changed in the group file as it is, which stays the same group',
    );
  // Without a name in the file it is told by its place.
  let members = file.members.map((member, i) => ({
    ...member,
    name: member.name ?? nameAt(old, file.members, i),
  }));
  const find = (name: string) => {
    const found = members.find((member) => member.name === name);
    if (found) return found;
    throw wrong(
      `expected a member of group '${file.name}' (${members.map((each) => each.name).join(', ')}), got ${name}`,
    );
  };
  for (const name of remove) {
    const gone = find(name);
    members = members.filter((member) => member !== gone);
  }
  for (const { name, key } of rekey) {
    if (find(name).key.toLowerCase() === key)
      throw wrong(`expected another key for ${name}, got the one it has`);
    find(name).key = key;
  }
  for (const { name, ...where } of move) {
    const { key } = find(name);
    members[members.indexOf(find(name))] = { name, key, ...where };
  }
  members.push(...add);
  const next = {
    ...file,
    name: changes.name ?? nameAfter(file.name),
    ...Object.fromEntries(bounds),
    members,
  };
  const result = JSON.stringify(next, null, 2);
  parseGroup(result, 'next group');
  if (next.name === file.name)
    throw wrong(`expected another name than that of the old group, got '${next.name}' for both`);
  const keys = new Map(members.map(({ name, key }) => [name, key.toLowerCase()]));
  const staying = file.members.map(
    (member, i) => [member.name ?? nameAt(old, file.members, i), member.key] as const,
  );
  return {
    text: result,
    staying: staying.filter(([name, key]) => keys.get(name) === key.toLowerCase()).map(([name]) => name),
  };
}

/**
 * What is still under way in the old group, as far as this member knows: nothing once all that it holds has been delivered here, and every
 * member that stays, or is here, holds it too.
 */
export function unfinished(status: NodeStatus, staying: readonly string[]): string[] {
  const { name, streams, peers, store, consumer, objects } = status;
  const reasons: string[] = [];
  const here = new Set(peers.filter(({ reachable }) => reachable).map((peer) => peer.name));
  for (const peer of peers)
    if (staying.includes(peer.name) && !peer.reachable) reasons.push(`${peer.name} is away`);
  for (const { from, held, delivered, lackedBy } of streams) {
    if (held > delivered) reasons.push(`${name} has not delivered ${held - delivered} objects of ${from}`);
    for (const [peer, lacks] of Object.entries(lackedBy))
      if (here.has(peer) || staying.includes(peer)) reasons.push(`${peer} lacks ${lacks} objects of ${from}`);
  }
  const coming = objects.filter(({ complete }) => !complete).length;
  if (coming > 0) reasons.push(`${coming} objects are on their way`);
  if (store.pendingBytes > 0) reasons.push(`the store of ${name} has ${store.pendingBytes} bytes to write`);
  if (consumer.busyMs !== null) reasons.push(`the consumer of ${name} has a message`);
  return reasons;
}

/** What changes whenever somebody says something. */
export function saidSoFar({ streams }: NodeStatus): number {
  return streams.reduce((sum, { held }) => sum + held, 0);
}

/** `lab`, `lab-2`, `lab-3`: a list of members that comes back is not the group that it once was. */
function nameAfter(name: string): string {
  const [, stem, number] = /^(.*)-(\d{1,9})$/s.exec(name) ?? [undefined, name, '1'];
  return `${stem}-${Number(number) + 1}`;
}

function nameAt(
  old: ReturnType<typeof parseGroup>['members'],
  members: readonly FileMember[],
  i: number,
): string {
  const key = members[i].key.toLowerCase();
  return old.find(({ publicKey }) => Buffer.from(publicKey).toString('hex') === key)!.name;
}

function wrong(message: string): HeadwaterError {
  return new HeadwaterError('INVALID_ARGUMENT', `next group: ${message}`);
}
