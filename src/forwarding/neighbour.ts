/**
 * What one peer and we tell each other of the ways to members. In: its frames, and what we have for it. Out: what it has said, as long
 * as that counts, and when it is to be told something.
 */
import { MILLISECOND, type Micros, NEVER, NEVER_YET, SECOND } from '../core/time.js';
import type { RouteEntry, RoutesFrame } from '../wire/frames/forwarding/routes.js';

/** What one side tells the other. */
export type Told = Pick<RoutesFrame, 'lacking' | 'routes'>;

export class Neighbour {
  private heard: RoutesFrame = { kind: 'routes', number: 0, ...NOTHING };
  private heardAt: Micros = NEVER_YET;
  private said: Told = NOTHING;
  private number = 0;
  /** How often it has been told the same. */
  private times = ENOUGH;
  private dueAt: Micros = NEVER;
  private isUrgent = false;

  /** Takes in a frame; says whether there is news in it. */
  onRoutes(now: Micros, frame: RoutesFrame): boolean {
    // Datagrams overtake each other; and for it the session may be another one, of which we do not know.
    if (frame.number <= this.heard.number && now - this.heardAt < ROUTES_LIFE) return false;
    const isNews = keyOf(frame) !== keyOf(this.told(now));
    this.heard = frame;
    this.heardAt = now;
    return isNews;
  }

  /** What it has said, while that counts. */
  told(now: Micros): Told {
    return now - this.heardAt < ROUTES_LIFE ? this.heard : NOTHING;
  }

  /** How far a member is from it, by its own word. */
  routeTo(now: Micros, member: number): RouteEntry | undefined {
    return this.told(now).routes.find((route) => route.member === member);
  }

  /** What it is to be told from now on; says whether that has become due. */
  say(now: Micros, told: Told): boolean {
    const isSame = keyOf(told) === keyOf(this.said);
    this.said = told;
    if (isSame) return false;
    this.times = 0;
    this.dueAt = now;
    this.isUrgent = true;
    return true;
  }

  /** When it is to be told in a datagram of its own; what is only said again waits for one that goes anyway. */
  get nextControl(): Micros {
    return this.isUrgent ? this.dueAt : NEVER;
  }

  /** What it is told now, if that is due. */
  take(now: Micros): RoutesFrame | undefined {
    if (this.dueAt > now) return undefined;
    this.isUrgent = false;
    this.times++;
    const isEmpty = this.said.lacking.length + this.said.routes.length === 0;
    if (this.times < ENOUGH) this.dueAt = now + SOON;
    else this.dueAt = isEmpty ? NEVER : now + ROUTES_REPEAT;
    return { kind: 'routes', number: ++this.number, ...this.said };
  }
}

/** Distances that are as good as the same are no news. */
function keyOf({ lacking, routes }: Told): string {
  const ways = routes.map(
    ({ member, hops, rtt, loss }) => `${member} ${hops} ${Math.round(2 * Math.log2(rtt + 8))} ${loss >> 5}`,
  );
  return `${lacking.join()}|${ways.join()}`;
}

const NOTHING: Told = { lacking: [], routes: [] };
/** So often is the same told soon, since it may be lost. */
const ENOUGH = 4;
const SOON: Micros = 250 * MILLISECOND;
const ROUTES_REPEAT: Micros = 2 * SECOND;
/** Three repeats may be lost. */
export const ROUTES_LIFE: Micros = 7 * SECOND;
