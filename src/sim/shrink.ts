/**
 * Makes a failing scenario smaller: leaves out faults, messages, members and features one by one, and keeps each change with
 * which it still fails. In: the scenario, a way to try one, and a bound on the tries. Out: the smallest one found.
 */
import { MILLISECOND, SECOND } from '../core/time.js';
import { iid } from './net/loss.js';
import type { Fault, Message, Scenario } from './scenario.js';

/**
 * Leaves out of a scenario what it fails without; up to `tries` runs, default 400.
 *
 * @param fails whether a scenario still does what is to be explained
 * @example
 * const late = (scenario: Scenario) => runScenario(scenario).crashes > 0;
 * const small = shrink(randomScenario('1000'), late, 3);
 */
export function shrink(scenario: Scenario, fails: (scenario: Scenario) => boolean, tries = 400): Scenario {
  let best = scenario;
  let left = tries;
  for (let improved = true; improved && left > 0; ) {
    improved = false;
    for (const candidate of candidates(best)) {
      if (left-- <= 0) break;
      if (!fails(candidate)) continue;
      best = candidate;
      improved = true;
      // From the start: the large steps may work now.
      break;
    }
  }
  return best;
}

/** What may be tried next, the largest steps first. */
function* candidates(scenario: Scenario): Generator<Scenario> {
  const { faults, messages, members, links, disk } = scenario;
  for (const part of parts(messages)) yield { ...scenario, messages: part };
  for (let i = 0; i < faults.length; i++) yield healed({ ...scenario, faults: without(faults, i) });
  if (scenario.replies > 0) yield { ...scenario, replies: 0 };
  if (scenario.slow) yield { ...scenario, slow: undefined };
  if (scenario.apart) yield { ...scenario, apart: undefined };
  if (scenario.boxes) yield { ...scenario, boxes: undefined };
  if (scenario.consume > 0) yield { ...scenario, consume: 0 };
  if (Object.keys(scenario.clocks).length > 0) yield { ...scenario, clocks: {} };
  if (scenario.order === 'causal') yield { ...scenario, order: 'fifo' };
  if (scenario.controller !== 'fixed') yield { ...scenario, controller: 'fixed' };
  if (scenario.maxDatagram !== 1232) yield { ...scenario, maxDatagram: 1232 };
  if (links.loss?.kind !== 'iid' || links.loss.probability > 0)
    yield { ...scenario, links: { ...links, loss: iid(0) } };
  for (const name of ['jitter', 'reorder', 'duplicate', 'corrupt', 'rate'] as const)
    if (links[name]) yield { ...scenario, links: { ...links, [name]: 0 } };
  if (links.delay !== 10 * MILLISECOND) yield { ...scenario, links: { ...links, delay: 10 * MILLISECOND } };
  if (disk.slow) yield { ...scenario, disk: { ...disk, slow: 0 } };
  if (disk.delay) yield { ...scenario, disk: { ...disk, delay: 0 } };
  const smaller = withoutMember(scenario, members - 1);
  if (smaller) yield smaller;
  for (let i = 0; i < faults.length; i++)
    for (const fault of lesser(faults[i])) yield healed({ ...scenario, faults: faults.with(i, fault) });
  if (messages.length <= 8)
    for (let i = 0; i < messages.length; i++)
      if (messages[i].size > 8)
        yield { ...scenario, messages: messages.with(i, { ...messages[i], size: 8 }) };
}

/** The same fault with less in it. */
function* lesser(fault: Fault): Generator<Fault> {
  if (fault.type === 'crash') {
    for (let i = 0; i < fault.members.length; i++) yield { ...fault, members: without(fault.members, i) };
    if (fault.hit) yield { ...fault, hit: false };
  } else if (fault.type === 'store' && fault.back !== undefined) yield { ...fault, back: undefined };
  else if (fault.type === 'cut' && fault.from.length > 1)
    for (let i = 0; i < fault.from.length; i++) yield { ...fault, from: without(fault.from, i) };
  else if (fault.type === 'liar' && fault.lies.length > 1)
    for (const lie of fault.lies) yield { ...fault, lies: [lie] };
}

/** Without the last member, where nobody needs it and the group still holds its promises. */
function withoutMember(scenario: Scenario, last: number): Scenario | undefined {
  const { members, byzantine, faults, messages } = scenario;
  const n = members - 1;
  const most = n - (Math.floor((n + byzantine) / 2) + 1);
  // Others may be reached by way of it.
  if (scenario.apart || scenario.boxes) return undefined;
  if (n < 1 || byzantine > Math.floor((n - 1) / 3) || most < byzantine) return undefined;
  const names = (fault: Fault) => ('member' in fault ? fault.member === last : false);
  if (faults.some(names) || scenario.slow?.member === last || messages.some(({ origin }) => origin === last))
    return undefined;
  const gone = new Set(
    faults.flatMap((fault) => (fault.type === 'crash' && fault.down === undefined ? fault.members : [])),
  );
  gone.delete(last);
  const bad = faults.filter(
    ({ type }) => type === 'liar' || type === 'damage' || type === 'store' || type === 'restore',
  ).length;
  if (gone.size + bad + (scenario.slow ? 1 : 0) > most) return undefined;
  return {
    ...scenario,
    members: n,
    faulty: Math.min(scenario.faulty, most),
    faults: faults.map((fault): Fault => {
      if (fault.type === 'crash') return { ...fault, members: fault.members.filter((each) => each !== last) };
      if (fault.type === 'cut') return { ...fault, from: fault.from.filter((each) => each !== last) };
      return fault;
    }),
  };
}

/** With the end of all faults where it belongs. */
function healed(scenario: Scenario): Scenario {
  let healAt = 0;
  for (const { at } of scenario.messages) healAt = Math.max(healAt, at);
  for (const fault of scenario.faults) {
    if ('until' in fault) healAt = Math.max(healAt, fault.until);
    else if (fault.type === 'store' || fault.type === 'restore')
      healAt = Math.max(healAt, (fault.back ?? fault.at) + fault.down);
    else if (fault.type === 'crash')
      healAt = Math.max(
        healAt,
        'at' in fault.when ? fault.when.at + SECOND : Math.max(scenario.healAt, SECOND),
      );
  }
  return { ...scenario, healAt };
}

/** All but a half of them, all but a quarter, and so on (Zeller and Hildebrandt, ddmin, IEEE TSE 2002). */
function* parts(messages: Message[]): Generator<Message[]> {
  for (let size = messages.length >> 1; size > 0; size >>= 1)
    for (let from = 0; from < messages.length; from += size)
      yield messages.filter((_, i) => i < from || i >= from + size);
}

function without<T>(items: readonly T[], index: number): T[] {
  return items.filter((_, i) => i !== index);
}
