/**
 * Judges the logs of a soak's hydra-nodes: that nothing was lost, created or out of order, and nothing doubled but what a
 * hydra-node itself puts again after it was killed. In: the entries of each node, and how many messages a put may have. Out:
 * counts, and what was violated.
 */

export type Entry =
  | { type: 'start'; run: number }
  /** `node/run/number`, before and after it is in the queue on disk. */
  | { type: 'submit'; id: string }
  | { type: 'queued'; id: string }
  /** It came from etcd, as part of this revision. */
  | { type: 'arrive'; id: string; revision: number }
  /** Its etcd says so, as a warning or an error. */
  | { type: 'said'; line: string }
  | { type: 'end'; reason: string };

export interface Judgement {
  queued: number;
  arrivals: number;
  /** Messages that came more than once at some node: put again, and told again after a restart. */
  putAgain: number;
  toldAgain: number;
  violations: string[];
}

/** What was written until the process was killed: a torn last line counts for nothing. */
export function parseLog(text: string): Entry[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** All that is queued has arrived everywhere. */
export function isSettled(logs: readonly (readonly Entry[])[]): boolean {
  const wanted = idsOf(logs.flat(), 'queued');
  return logs.every((log) => {
    const arrived = idsOf(log, 'arrive');
    return [...wanted].every((id) => arrived.has(id));
  });
}

export function judge(logs: readonly (readonly Entry[])[], messagesOfAPut: number): Judgement {
  const violations: string[] = [];
  const submitted = idsOf(logs.flat(), 'submit');
  const queued = idsOf(logs.flat(), 'queued');
  const restarts = logs.map((log) => log.filter(({ type }) => type === 'start').length - 1);
  const allRestarts = restarts.reduce((sum, count) => sum + count, 0);
  const total = { arrivals: 0, putAgain: 0, toldAgain: 0 };
  logs.forEach((log, node) => {
    const { revisions, toldAgain } = checkArrivals(log, node, violations);
    for (const id of queued)
      if (!revisions.has(id)) violations.push(`lost: ${id} at node ${node}, which was queued`);
    let putAgain = 0;
    for (const [id, of] of revisions) {
      if (!submitted.has(id)) violations.push(`created: ${id} at node ${node}`);
      putAgain += of.size - 1;
      const sender = Number(id.split('/')[0]);
      if (of.size > 1 + restarts[sender])
        violations.push(
          `doubled: ${id} at node ${node} at ${of.size} revisions, after ${restarts[sender]} restarts`,
        );
    }
    if (putAgain > allRestarts * messagesOfAPut)
      violations.push(`doubled: ${putAgain} messages at node ${node}, after ${allRestarts} restarts of all`);
    for (const entry of log)
      if (entry.type === 'end' && !ENDS_OF_A_KILL.test(entry.reason))
        violations.push(`ended: node ${node}: ${entry.reason}`);
    checkOrder([...revisions.keys()], node, violations);
    total.arrivals += [...revisions.values()].reduce((sum, { size }) => sum + size, 0);
    total.putAgain += putAgain;
    total.toldAgain += toldAgain;
  });
  return { queued: queued.size, ...total, violations };
}

/** By message, in the order of their first arrivals: the revisions at which it came. Within a run these only grow. */
function checkArrivals(log: readonly Entry[], node: number, violations: string[]) {
  const revisions = new Map<string, Set<number>>();
  let toldAgain = 0;
  let last = 0;
  for (const entry of log) {
    if (entry.type === 'start') last = 0;
    if (entry.type !== 'arrive') continue;
    const { id, revision } = entry;
    if (revision < last) violations.push(`order: node ${node}: revision ${revision} after ${last}`);
    last = revision;
    const known = revisions.get(id) ?? new Set();
    if (known.has(revision)) toldAgain++;
    revisions.set(id, known.add(revision));
  }
  return { revisions, toldAgain };
}

/** What one node submits comes in that order. */
function checkOrder(ids: readonly string[], node: number, violations: string[]): void {
  const last = new Map<number, { run: number; number: number; id: string }>();
  for (const id of ids) {
    const [sender, run, number] = id.split('/').map(Number);
    const before = last.get(sender);
    if (before && (run < before.run || (run === before.run && number < before.number)))
      violations.push(`order: node ${node}: ${id} after ${before.id}`);
    last.set(sender, { run, number, id });
  }
}

/** What the etcd of a node has said last. */
export function lastSaid(log: readonly Entry[], count: number): string[] {
  return log.flatMap((entry) => (entry.type === 'said' ? [entry.line] : [])).slice(-count);
}

function idsOf(log: readonly Entry[], type: 'submit' | 'queued' | 'arrive'): Set<string> {
  const ids = new Set<string>();
  for (const entry of log) if (entry.type === type) ids.add(entry.id);
  return ids;
}

/** What a hydra-node says when its etcd is killed: of the process, or before of a connection with it. */
const ENDS_OF_A_KILL = /exited with: SIGKILL|^ConnectionLost/;
