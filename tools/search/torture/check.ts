/**
 * Judges the logs of all members of a torture: that nothing was lost, doubled, created or out of order, at any of them. In:
 * the entries of each member, and which order was promised. Out: counts, and what was violated.
 */
import type { Entry, Id } from './history.js';

export interface Judgement {
  submitted: number;
  durable: number;
  /** Deliveries at all members, and how many of them were repeats after a restart. */
  deliveries: number;
  repeats: number;
  violations: string[];
}

/** Whether every member has delivered all that any has, and all that is durable: then the logs may be judged. */
export function isSettled(logs: readonly (readonly Entry[])[]): boolean {
  const seen = logs.map((log) => digestsOf(log, 'deliver'));
  const wanted = new Set(logs.flatMap((log) => [...digestsOf(log, 'durable'), ...digestsOf(log, 'deliver')]));
  return seen.every((digests) => digests.size === wanted.size);
}

export function judge(logs: readonly (readonly Entry[])[], order: 'fifo' | 'causal'): Judgement {
  const violations: string[] = [];
  const submissions = submissionsOf(logs);
  const sequences = sequencesOf(logs, submissions, violations);
  const seen = logs.map((log, member) => checkDeliveries(log, member, sequences, violations));
  checkSubmissions(logs, sequences, violations);
  checkFifo(sequences, submissions, violations);
  if (order === 'causal') checkCausal(logs, sequences, submissions, violations);
  logs.forEach((log, member) => {
    for (const entry of log)
      if (entry.type === 'fault') violations.push(`member ${member}, run ${entry.run}: ${entry.text}`);
  });
  const count = (type: Entry['type']) => logs.flat().filter((entry) => entry.type === type).length;
  const deliveries = count('deliver');
  return {
    submitted: submissions.size,
    durable: count('durable'),
    deliveries,
    repeats: deliveries - seen.reduce((sum, distinct) => sum + distinct, 0),
    violations,
  };
}

interface Submission {
  member: number;
  run: number;
  /** Place among all submissions of its member. */
  at: number;
  /** By origin: the last message that its sender had delivered in that run before it submitted this one. */
  after: Map<number, Id>;
}

/** What one origin has sent, as the members together deliver it. */
interface Sequence {
  digests: string[];
  /** Place by id. */
  places: Map<string, number>;
}

function submissionsOf(logs: readonly (readonly Entry[])[]): Map<string, Submission> {
  const found = new Map<string, Submission>();
  logs.forEach((log, member) => {
    let at = 0;
    let after = new Map<number, Id>();
    for (const entry of log)
      if (entry.type === 'start') after = new Map();
      else if (entry.type === 'deliver') after.set(entry.id[0], entry.id);
      else if (entry.type === 'submit')
        found.set(entry.digest, { member, run: entry.run, at: at++, after: new Map(after) });
  });
  return found;
}

/** The messages of each origin in the order of their ids. Agreement on contents and creation are checked on the way. */
function sequencesOf(
  logs: readonly (readonly Entry[])[],
  submissions: ReadonlyMap<string, Submission>,
  violations: string[],
): Sequence[] {
  const digests = new Map<string, { id: Id; digest: string }>();
  const ids = new Map<string, string>();
  logs.forEach((log, member) => {
    for (const entry of log) {
      if (entry.type !== 'deliver') continue;
      const { id, digest } = entry;
      const name = id.join('/');
      const known = digests.get(name);
      if (known && known.digest === digest) continue;
      if (known) violations.push(`agreement: ${name} is ${known.digest} and, at member ${member}, ${digest}`);
      digests.set(name, { id, digest });
      if (submissions.get(digest)?.member !== id[0])
        violations.push(`created: ${name} at member ${member}, which member ${id[0]} has not submitted`);
      const other = ids.get(digest);
      if (other !== undefined && other !== name)
        violations.push(`doubled: ${other} and ${name} are one message`);
      ids.set(digest, name);
    }
  });
  return logs.map((_, origin) => {
    const own = [...digests].filter(([, { id }]) => id[0] === origin);
    own.sort(([, { id: a }], [, { id: b }]) => a[1] - b[1] || a[2] - b[2] || a[3] - b[3]);
    return {
      digests: own.map(([, { digest }]) => digest),
      places: new Map(own.map(([name], place) => [name, place])),
    };
  });
}

/**
 * Each run must deliver a piece of each origin's sequence without gaps that begins at the latest where the runs before it
 * ended: repeats come at the start of a run, and nowhere else. At the end all must have been delivered.
 *
 * @returns how many different messages were
 */
function checkDeliveries(
  log: readonly Entry[],
  member: number,
  sequences: readonly Sequence[],
  violations: string[],
): number {
  /** By origin: how many are delivered, and the place of the last in this run. */
  const reached = sequences.map(() => 0);
  const last = sequences.map((): number | undefined => undefined);
  for (const entry of log) {
    if (entry.type === 'start') last.fill(undefined);
    if (entry.type !== 'deliver') continue;
    const [origin] = entry.id;
    const place = sequences[origin].places.get(entry.id.join('/'))!;
    const before = last[origin];
    const fits = before === undefined ? place <= reached[origin] : place === before + 1;
    if (!fits)
      violations.push(
        `order: member ${member}, run ${entry.run}: ${entry.id.join('/')} is ${place} of its origin, ` +
          `after ${before ?? `a restart at ${reached[origin]}`}`,
      );
    last[origin] = place;
    reached[origin] = Math.max(reached[origin], place + 1);
  }
  reached.forEach((count, origin) => {
    const all = sequences[origin].digests.length;
    if (count < all)
      violations.push(`agreement: member ${member} has ${count} of ${all} of member ${origin}`);
  });
  return reached.reduce((sum, count) => sum + count, 0);
}

function checkSubmissions(
  logs: readonly (readonly Entry[])[],
  sequences: readonly Sequence[],
  violations: string[],
): void {
  logs.forEach((log, member) => {
    const delivered = new Set(sequences[member].digests);
    for (const digest of digestsOf(log, 'durable'))
      if (!delivered.has(digest)) violations.push(`lost: ${digest} of member ${member}, which was durable`);
  });
}

/** What a member submits is delivered in the order in which it did. */
function checkFifo(
  sequences: readonly Sequence[],
  submissions: ReadonlyMap<string, Submission>,
  violations: string[],
): void {
  sequences.forEach(({ digests }, origin) => {
    let before = -1;
    for (const digest of digests) {
      const at = submissions.get(digest)?.at ?? before;
      if (at < before) violations.push(`fifo: member ${origin}: submission ${at} comes after ${before}`);
      before = at;
    }
  });
}

/** Before a message comes what its sender had delivered, in that run, when it submitted it. */
function checkCausal(
  logs: readonly (readonly Entry[])[],
  sequences: readonly Sequence[],
  submissions: ReadonlyMap<string, Submission>,
  violations: string[],
): void {
  logs.forEach((log, member) => {
    const reached = sequences.map(() => 0);
    for (const entry of log) {
      if (entry.type !== 'deliver') continue;
      const place = sequences[entry.id[0]].places.get(entry.id.join('/'))!;
      if (place < reached[entry.id[0]]) continue;
      for (const [origin, id] of submissions.get(entry.digest)?.after ?? [])
        if (origin !== entry.id[0] && sequences[origin].places.get(id.join('/'))! >= reached[origin])
          violations.push(`causal: member ${member}: ${entry.id.join('/')} before ${id.join('/')}`);
      reached[entry.id[0]] = place + 1;
    }
  });
}

function digestsOf(log: readonly Entry[], type: 'durable' | 'deliver'): Set<string> {
  const digests = new Set<string>();
  for (const entry of log) if (entry.type === type) digests.add(entry.digest);
  return digests;
}
