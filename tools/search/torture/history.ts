/**
 * What a member of the torture did, as its own log tells it: one line for each start, each message before it is submitted and
 * once it is durable, each delivery before it counts as done, and whatever it was told that should not happen. A process that
 * is killed leaves what it has written; its last line may be cut off.
 */

export type Entry =
  /** The member was started, for the `run`-th time. */
  | { type: 'start'; run: number }
  | { type: 'submit'; run: number; digest: string }
  /** `broadcast` has resolved. */
  | { type: 'durable'; run: number; digest: string }
  /** `id` names a message: origin, incarnation, seq, index. */
  | { type: 'deliver'; run: number; id: Id; digest: string }
  | { type: 'fault'; run: number; text: string };

export type Id = readonly [origin: number, incarnation: number, seq: number, index: number];

export function formatEntry(entry: Entry): string {
  const { type, run } = entry;
  // What was cut off ends its own line; a line that was not cut off ends in a mark.
  if (type === 'start') return `\n${type} ${run};\n`;
  if (type === 'deliver') return `${type} ${run} ${entry.id.join(' ')} ${entry.digest};\n`;
  if (type === 'fault') return `${type} ${run} ${JSON.stringify(entry.text)};\n`;
  return `${type} ${run} ${entry.digest};\n`;
}

/** Lines that were cut off are left out: what they were about had not happened yet. */
export function parseLog(text: string): Entry[] {
  const entries: Entry[] = [];
  for (const line of text.split('\n')) {
    if (!line.endsWith(';')) continue;
    const [type, number, ...rest] = line.slice(0, -1).split(' ');
    const run = Number(number);
    switch (type) {
      case 'start':
        entries.push({ type, run });
        break;
      case 'submit':
      case 'durable':
        entries.push({ type, run, digest: rest[0] });
        break;
      case 'deliver': {
        const [origin, incarnation, seq, index] = rest.slice(0, 4).map(Number);
        entries.push({ type, run, id: [origin, incarnation, seq, index], digest: rest[4] });
        break;
      }
      case 'fault':
        entries.push({ type, run, text: JSON.parse(rest.join(' ')) });
        break;
      default:
        throw new Error(`log: expected an entry, got '${line}'`);
    }
  }
  return entries;
}
