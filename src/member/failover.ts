/**
 * The locators of one peer: notices when the address in use goes silent, turns to the first other locator that answers, and
 * back to a better one that has worked for a while. In: what the path measures, answers to challenges, time. Out: challenges,
 * and moves of the session; each locator taken into use starts with a fresh controller.
 *
 *   us                              peer
 *   | DATA to locator 1 --------> X |   no ack, though several should have come: suspicion
 *   | CHALLENGE to 1 and 2 -------> |   many to 1, since each that stays without an answer counts
 *   | <-- ANSWER for locator 2      |   the peer lives: once 1 is as good as dead, all goes to 2
 *
 * The answer is waited for, so that a peer that is down or slow as a whole does not send us from one address to the next.
 */
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import type { Path } from '../path/path.js';
import type { SessionTable } from '../session/index.js';
import { parseVia } from '../wire/via.js';

interface Locator {
  askAt: Micros;
  answeredAt: Micros;
  /** Of the last answer. */
  rtt: Micros | undefined;
  /** Since when it has answered without long gaps, and how often. */
  upSince: Micros;
  answers: number;
  /** How long it has to answer before it is returned to. */
  hold: Micros;
  returnedAt: Micros;
}

/** The locators against each other, from a suspicion until the one in use gives a sign of life or is left. */
interface Race {
  since: Micros;
  nextAt: Micros;
  rounds: number;
}

export class FailOver {
  /** Moves away from a locator that had gone silent. */
  count = 0;
  private readonly peer: number;
  private readonly sessions: SessionTable;
  private readonly path: Path;
  private locators = new Map<string, Locator>();
  private race: Race | undefined;
  /** When the last round of a race was run. */
  private roundAt: Micros = -NEVER;

  constructor(peer: number, sessions: SessionTable, path: Path) {
    this.peer = peer;
    this.sessions = sessions;
    this.path = path;
  }

  /** The address in use; undefined if there can be no session. */
  get address(): string | undefined {
    return this.addresses?.current;
  }

  /** The round trip to an address as its last answer has shown it. */
  rtt(address: string): Micros | undefined {
    const answer = this.addresses?.answer;
    return answer?.address === address ? answer.rtt : this.locators.get(address)?.rtt;
  }

  /** When `handleTimeout` is due; may change with everything that the path sends and receives. */
  nextTimeout(): Micros {
    const { path, race } = this;
    const others = this.others();
    if (!path.isOpen || others.length === 0) return NEVER;
    const { liveness } = path;
    const state = path.state();
    let next = NEVER;
    if (this.keepsWarm) for (const address of others) next = Math.min(next, this.locator(address).askAt);
    if (!race || liveness.heardAt > race.since) return Math.min(next, liveness.suspectAt(state));
    next = Math.min(next, race.nextAt);
    return this.answered(race) === undefined ? next : Math.min(next, liveness.deadAt(state));
  }

  handleTimeout(now: Micros): void {
    const others = this.others();
    if (!this.path.isOpen || others.length === 0) {
      this.race = undefined;
      return;
    }
    if (this.keepsWarm)
      for (const address of others) if (now >= this.locator(address).askAt) this.ask(now, address);
    const { liveness } = this.path;
    const state = this.path.state();
    if (this.race && liveness.heardAt > this.race.since) this.race = undefined;
    if (!this.race && now >= liveness.suspectAt(state)) this.startRace(now);
    if (!this.race) return;
    if (now >= this.race.nextAt) this.runRace(now, this.race, others);
    const better = this.answered(this.race);
    if (better === undefined || now < liveness.deadAt(state)) return;
    this.leave(now);
    this.moveTo(better);
  }

  /** A challenge has been answered. */
  onAnswer(now: Micros, address: string, rtt: Micros): void {
    if (address === this.address) {
      this.path.liveness.onAlive(now, now - rtt, 'answer', this.path.state());
      return;
    }
    // Of its record: asked so rarely that it is not waited for a second answer, and any is better than a way by others.
    if (!this.addresses!.locators.includes(address)) {
      if (parseVia(this.address) && !this.addresses!.isResting(now, address)) this.moveTo(address);
      return;
    }
    const locator = this.locator(address);
    if (now - locator.answeredAt > GAP) {
      locator.upSince = now;
      locator.answers = 0;
    }
    locator.answeredAt = now;
    locator.rtt = rtt;
    locator.answers++;
    if (this.isBetter(address) && locator.answers >= MIN_ANSWERS && now >= locator.upSince + locator.hold) {
      locator.returnedAt = now;
      this.moveTo(address);
    } else this.handleTimeout(now);
  }

  /** The peer sends from another of its locators. It may know that the one in use is dead: look at once. */
  onElsewhere(now: Micros): void {
    if (!this.race && this.others().length > 0) this.startRace(now);
    this.handleTimeout(now);
  }

  /** The address in use has changed, or the session is another. */
  onMoved(): void {
    this.race = undefined;
  }

  /** We could not listen for a while: what was not heard meanwhile proves nothing yet. */
  onStall(now: Micros): void {
    if (this.race) this.startRace(now);
  }

  private get addresses() {
    return this.sessions.session(this.peer)?.addresses;
  }

  /** The only locator of a peer that has moved elsewhere is asked when it is needed. */
  private get keepsWarm(): boolean {
    return this.addresses!.locators.length > 1;
  }

  private others(): readonly string[] {
    const { addresses } = this;
    if (!addresses) return [];
    const { current, locators } = addresses;
    return locators.length === 1 && locators[0] === current
      ? []
      : locators.filter((locator) => locator !== current);
  }

  private locator(address: string): Locator {
    let locator = this.locators.get(address);
    if (!locator) {
      locator = {
        askAt: -NEVER,
        answeredAt: -NEVER,
        rtt: undefined,
        upSince: NEVER,
        answers: 0,
        hold: MIN_HOLD,
        returnedAt: -NEVER,
      };
      this.locators.set(address, locator);
    }
    return locator;
  }

  /** Whether an address is before the one in use in the operator's order; who has left that order is not called back. */
  private isBetter(address: string): boolean {
    const { locators, current } = this.addresses!;
    return locators.indexOf(address) < locators.indexOf(current!);
  }

  private startRace(now: Micros): void {
    // What is forwarded takes several links each time, and its races are many where these lose much.
    const gap = this.path.isForwarded ? FORWARDED_ROUND : 0;
    this.race = { since: now, nextAt: Math.max(now, this.roundAt + gap), rounds: 0 };
  }

  /** The first other locator that has answered since. */
  private answered(race: Race): string | undefined {
    return this.others().find((address) => this.locator(address).answeredAt > race.since);
  }

  private runRace(now: Micros, race: Race, others: readonly string[]): void {
    const { sessions, peer, path } = this;
    const { current } = this.addresses!;
    const state = path.state();
    // First, so that a peer that has just been slow answers for it before it answers for the others.
    const needed = path.liveness.challengesNeeded(state);
    const most = path.isForwarded ? FORWARDED_CHALLENGES : MAX_CHALLENGES;
    for (let i = Math.max(1, Math.min(most, needed)); i > 0; i--) {
      sessions.challenge(now, peer, current!);
      path.liveness.onChallenge(now);
    }
    for (const address of others) {
      // One that has not answered lately may be anybody's by now.
      const isKnown = now - this.locator(address).answeredAt < KNOWN_FOR;
      const wanted = Math.min(path.liveness.challengesFor(state), most / others.length);
      const copies = isKnown && race.rounds < EAGER_ROUNDS ? wanted : 1;
      for (let i = Math.max(1, Math.floor(copies)); i > 0; i--) this.ask(now, address);
    }
    const next = (state.answerTimeout / 2) * 2 ** Math.min(race.rounds, 10);
    race.nextAt = now + Math.min(WARM_INTERVAL, Math.max(next, path.isForwarded ? FORWARDED_ROUND : 0));
    this.roundAt = now;
    race.rounds++;
  }

  private ask(now: Micros, address: string): void {
    this.locator(address).askAt = now + WARM_INTERVAL;
    this.sessions.challenge(now, this.peer, address);
  }

  /** The address in use is as good as dead: it has to prove itself again, for longer if it had only just done so. */
  private leave(now: Micros): void {
    this.count++;
    const addresses = this.addresses!;
    const current = addresses.current!;
    // Until the mesh has looked at it (PROTOCOL 4.8): late answers do not lead back there.
    if (!addresses.isNamed(current)) addresses.rest(now + LEFT_REST);
    const locator = this.locator(current);
    const relapsed = now - locator.returnedAt < RELAPSE;
    locator.hold = relapsed ? Math.min(MAX_HOLD, 2 * locator.hold) : MIN_HOLD;
    locator.answeredAt = -NEVER;
  }

  private moveTo(address: string): void {
    this.race = undefined;
    this.sessions.moveTo(this.peer, address);
  }
}

/** Locators that are not in use are asked so often whether they work: a tenth of what heartbeats cost. */
const WARM_INTERVAL: Micros = SECOND;
/** Without an answer for so long a locator has been down: at 50 % loss each way this happens to one in twenty. */
const GAP: Micros = 10 * SECOND;
const KNOWN_FOR: Micros = 60 * SECOND;
/** To one address at once: 34 bytes each. At 50 % loss each way, one of sixteen is answered 99 times of a hundred. */
const MAX_CHALLENGES = 16;
const EAGER_ROUNDS = 3;
/** A way by others that is silent for 2 s is left anyway (PROTOCOL 4.8). */
const FORWARDED_ROUND: Micros = 250 * MILLISECOND;
const FORWARDED_CHALLENGES = 4;
/** A locator is returned to when it has answered for so long, and at least so often. */
const MIN_HOLD: Micros = 5 * SECOND;
const MAX_HOLD: Micros = 300 * SECOND;
const MIN_ANSWERS = 3;
const LEFT_REST: Micros = SECOND;
/** Silent again so soon after the return: it has to answer for twice as long next time. */
const RELAPSE: Micros = 60 * SECOND;
