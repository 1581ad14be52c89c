/** Another stream of ours takes the place of one that is over for the others: see `Succession`, which says when. */
import type { Micros } from '../core/time.js';
import type { StoredObject } from '../store/store.js';
import type { Stream } from './agreement/stream.js';
import type { Wings } from './wings.js';

type StartOver = (now: Micros, stream: Stream, from: number) => void;

/**
 * Begins another stream of ours in place of one that has a later one, in one commit with what it says again of that. Once
 * our store has it, the former counts as ended. Nothing is done before that is due, and possible.
 */
export function beginAnew(now: Micros, wings: Wings, startOver: StartOver): void {
  const { own, succession, streams, delivery, log, events } = wings;
  const former = own.stream;
  if (!succession.isDue || !succession.isReady(now, membersHere(now, wings))) return;
  if (own.isStoring || delivery.isConsuming(former)) return;
  const { origin, incarnation: ended } = former;
  const from = succession.abandoned(former);
  const objects: StoredObject[] = [];
  const lost = [...former.ledger.damaged].filter((seq) => seq >= from && seq < former.count);
  for (let seq = from; seq < former.count; seq++) {
    if (former.ledger.damaged.has(seq)) continue;
    // All that is not at hand is read at once.
    const object = succession.gathered.get(seq) ?? log.read({ origin, incarnation: ended, seq });
    if (!object) continue;
    succession.gathered.set(seq, object);
    objects.push(object);
  }
  if (objects.length + lost.length < former.count - from) return;
  for (const seq of lost)
    events.push({ type: 'lost', member: origin, incarnation: ended, from: seq, to: seq + 1 });
  const incarnation = succession.next(former);
  const stream = streams.own(incarnation);
  stream.standing.recorded = false;
  own.begin(now, stream);
  succession.onBegun();
  log.write({ type: 'begin', incarnation });
  startOver(now, former, from);
  for (const object of objects) own.repeat(now, object);
  events.push({ type: 'begun-anew', incarnation, former: ended });
}

/** Ourselves included. */
function membersHere(now: Micros, { options }: Wings): number {
  return 1 + options.paths.filter((path) => path?.isOpen && path.isResponsive(now)).length;
}
