/** A simulated run as a trace for `headwater view`: what each member sees, in virtual time. In: a scenario. Out: its lines, and how it ended. */
import { MILLISECOND, type Micros } from '../../../src/core/time.js';
import { mapWho } from '../../../src/events.js';
import { type NodeEvent, plainEvent } from '../../../src/node/status/events.js';
import { Sights, seenOf } from '../../../src/node/status/sights.js';
import { eventLine, sightLine, traceHeader } from '../../../src/node/trace.js';
import type { Cluster } from '../../../src/sim/cluster.js';
import { type RunReport, runScenario } from '../../../src/sim/run.js';
import type { Fault, Scenario } from '../../../src/sim/scenario.js';

export function recordScenario(scenario: Scenario, keepLines = 0): { report: RunReport; lines: string[] } {
  const lines = [traceHeader('simulation', 0)];
  const sights = Array.from({ length: scenario.members }, () => new Sights());
  const isLive = new Array<boolean>(scenario.members).fill(true);
  const faults = timed(scenario.faults);
  let cluster: Cluster | undefined;
  let next = 0;
  const note = (now: Micros, member: string, text: string) => {
    lines.push(eventLine(now, member, { type: 'note', text } as { type: string }));
  };
  const nameOf = (index: number) => cluster!.group.members[index].name;
  const look = (now: Cluster) => {
    cluster ??= now;
    const { world, members, group } = now;
    for (const { index } of members) {
      if (members[index].isLive === isLive[index]) continue;
      isLive[index] = !isLive[index];
      note(world.now, nameOf(index), isLive[index] ? 'runs again' : 'has stopped');
    }
    while (faults.length > 0 && faults[0].at <= world.now) {
      const { at, member, text } = faults.shift()!;
      note(at, nameOf(member), text(nameOf));
    }
    if (world.now < next) return;
    next = world.now + EACH;
    for (const member of members) {
      const seen = seenOf(group.members[member.index], group, member.status(world.now, true));
      const peers = member.isLive ? seen.peers : seen.peers.map((peer) => ({ ...peer, reachable: false }));
      lines.push(sightLine(world.now, sights[member.index].next({ ...seen, peers })));
    }
  };
  const report = runScenario(scenario, {
    keepLines,
    look,
    observe(member, event) {
      if (!cluster || !TOLD.includes(event.type)) return;
      const { members } = cluster.group;
      const named = mapWho(event as Parameters<typeof mapWho<number, unknown>>[0], (index) => members[index]);
      lines.push(eventLine(cluster.world.now, nameOf(member.index), plainEvent(named as NodeEvent)));
    },
  });
  return { report, lines };
}

interface TimedFault {
  at: Micros;
  member: number;
  text(nameOf: (index: number) => string): string;
}

/** Faults that no member tells of. */
function timed(faults: readonly Fault[]): TimedFault[] {
  const all = faults.flatMap((fault): TimedFault[] => {
    switch (fault.type) {
      case 'cut': {
        const { at, until, from, oneWay } = fault;
        const names = (nameOf: (index: number) => string) => from.map(nameOf).join(', ');
        const way = oneWay ? 'what they send is lost' : 'cut off from the others';
        const [member] = from;
        return [
          { at, member, text: (nameOf) => `${names(nameOf)}: ${way}` },
          { at: until, member, text: (nameOf) => `${names(nameOf)}: connected again` },
        ];
      }
      case 'full':
      case 'stall': {
        const what = fault.type === 'full' ? 'its disk is full' : 'its consumer stands still';
        return [
          { at: fault.at, member: fault.member, text: () => what },
          { at: fault.until, member: fault.member, text: () => `${what}: no more` },
        ];
      }
      default:
        return [];
    }
  });
  return all.sort((a, b) => a.at - b.at);
}

/** Of virtual time: what a page shows of a run that lasts some seconds. */
const EACH: Micros = 20 * MILLISECOND;
const TOLD = ['peer', 'misbehaviour', 'lost', 'disagreement', 'begun-anew', 'damaged', 'overflow'];
