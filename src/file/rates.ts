/** How fast something comes: by name, from how much there is at times, over the last seconds. */

interface Track {
  /** The oldest first, a second apart. */
  marks: { at: number; bytes: number }[];
}

export class Rates<Name> {
  private readonly tracks = new Map<Name, Track>();

  /** @param now in ms. Bytes a second, 0 where that is not known yet */
  of(name: Name, now: number, bytes: number): number {
    let track = this.tracks.get(name);
    if (!track) {
      track = { marks: [{ at: now, bytes }] };
      this.tracks.set(name, track);
    }
    const { marks } = track;
    // What was here before came at no rate.
    if (bytes < marks[0].bytes) marks.splice(0, marks.length, { at: now, bytes });
    if (now - marks[marks.length - 1].at >= STEP_MS) marks.push({ at: now, bytes });
    while (marks.length > STEPS) marks.shift();
    const [first] = marks;
    return now - first.at < SHORTEST_MS ? 0 : (1000 * (bytes - first.bytes)) / (now - first.at);
  }
}

const STEP_MS = 1000;
const STEPS = 5;
/** A rate over less would jump. */
const SHORTEST_MS = 300;
