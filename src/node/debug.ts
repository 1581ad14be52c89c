/** What a member observes, as lines for people: why did this object not arrive? In: observations, names. Out: a line for each. */
import type { BroadcastObservation, BroadcastObserver, DebugTopic } from '../broadcast/observer.js';
import type { Group } from '../group/group.js';
import type { ProgressFrame } from '../wire/frames/progress.js';
import type { VectorEntry } from '../wire/frames/vector.js';
import type { Frame } from '../wire/frames.js';
import type { ObjectId, StreamId } from '../wire/symbol.js';

/** What is told, and where to. */
export interface DebugOptions {
  /** Of what. Default: of all. */
  topics?: readonly DebugTopic[] | undefined;
  /** Gets a line without its break: `topic text`. Must not throw. */
  write(line: string): void;
}

export const DEBUG_TOPICS: readonly DebugTopic[] = [
  'frames',
  'symbols',
  'objects',
  'pulls',
  'top-ups',
  'ready',
];

/** An observer that writes what it is told. Members are named; an object is `NAME INCARNATION/SEQ`. */
export function debugLog(group: Group, { topics = DEBUG_TOPICS, write }: DebugOptions): BroadcastObserver {
  const chosen = new Set<DebugTopic>(topics);
  const lines = new Lines(group);
  return (_, what) => {
    if (chosen.has(what.topic)) write(`${what.topic} ${lines.of(what)}`);
  };
}

class Lines {
  private readonly group: Group;

  constructor(group: Group) {
    this.group = group;
  }

  of(what: BroadcastObservation): string {
    switch (what.topic) {
      case 'frames':
        return `${what.way === 'in' ? 'from' : 'to'} ${this.name(what.peer)}: ${this.frame(what.frame)}`;
      case 'symbols':
        return `from ${this.name(what.peer)}: ${this.object(what.id)} block ${what.sbn} ESI ${what.esi} dropped: ${what.drop}`;
      case 'objects':
        return `${this.object(what.id)} ${what.state}`;
      case 'pulls':
        return what.way === 'out'
          ? `${this.object(what.id)} asked of ${this.name(what.peer)}, time ${what.tries}`
          : `${this.object(what.id)} asked by ${this.name(what.peer)}: ${what.answer}`;
      case 'top-ups':
        return `${this.object(what.id)} block ${what.sbn}: ${what.symbols} symbols for ${what.peers.map((peer) => this.name(peer)).join(', ')}`;
      case 'ready':
        return `for ${what.count} objects of ${this.stream(what.stream)}`;
    }
  }

  /** What is not about objects is its kind alone. */
  private frame(frame: Frame): string {
    switch (frame.kind) {
      case 'vector':
        return `vector ${frame.version}: ${frame.entries.map((entry) => this.entry(entry)).join('; ') || 'nothing new'}`;
      case 'progress':
        return `progress ${this.object(frame.id)} lacks ${deficits(frame)}`;
      case 'pull':
        return `pull ${this.object(frame.id)}`;
      case 'gone':
        return `gone ${this.stream(frame)} below ${frame.base}`;
      default:
        return frame.kind;
    }
  }

  private entry(entry: VectorEntry): string {
    const ready = entry.ready > 0 ? `, ready ${entry.ready}` : '';
    const over = entry.over ? ', over' : entry.ended ? ', ended' : '';
    return `holds ${entry.base}..${entry.count} of ${this.stream(entry)}${ready}${over}`;
  }

  private object(id: ObjectId): string {
    return `${this.stream(id)}/${id.seq}`;
  }

  private stream({ origin, incarnation }: StreamId): string {
    return `${this.name(origin)} ${incarnation}`;
  }

  private name(member: number): string {
    return this.group.members[member]?.name ?? `member ${member} of none`;
  }
}

function deficits({ missing }: ProgressFrame): string {
  return missing.map(({ sbn, symbols }) => `${symbols} of block ${sbn}`).join(', ') || 'nothing';
}
