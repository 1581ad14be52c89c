/**
 * Relays that bring nothing, as far as it shows in what the others hold. In: of a block whose first symbols did not do, how many
 * a peer holds. Out: for how many absent relays the next blocks are planned: where all relay, nothing is sent for their sake.
 */
import type { Path } from '../../../path/path.js';
import { chanceToReach, type FirstHops } from '../plan.js';

/** What these paths have lost since then: what they are known to lose on average may be old. */
export class LossSince {
  private readonly marks: { path: Path; recovery: Path['recovery']; acked: number; lost: number }[];

  constructor(paths: readonly (Path | undefined)[]) {
    this.marks = paths.flatMap((path) => {
      if (!path) return [];
      const { recovery } = path;
      return [{ path, recovery, acked: recovery.stats.ackedPackets, lost: recovery.stats.lostPackets }];
    });
  }

  /** Of what has been acknowledged or found lost. */
  get share(): number {
    // A path that has begun anew counts anew, too.
    const kept = this.marks.filter(({ path, recovery }) => path.recovery === recovery);
    const lost = kept.reduce((sum, mark) => sum + mark.recovery.stats.lostPackets - mark.lost, 0);
    const acked = kept.reduce((sum, mark) => sum + mark.recovery.stats.ackedPackets - mark.acked, 0);
    return lost / Math.max(1, lost + acked);
  }
}

export class Shortfall {
  /** Not more than k are planned for. */
  private readonly faulty: number;
  private absent = 0;
  private planned = 0;
  /** Until so many blocks are planned, and how many that was from when it showed. */
  private until = 0;
  private lasts = 0;

  constructor(faulty: number) {
    this.faulty = faulty;
  }

  /** Of how many relays nothing is to be expected in the block that is planned now. */
  take(): number {
    return this.planned++ < this.until ? this.absent : 0;
  }

  /** `held` of `sent` symbols of a block have come to a peer, and more are not on their way. */
  onShort(held: number, sent: number, dealt: FirstHops): void {
    const reach = chanceToReach(dealt);
    const fall = sent * reach - held;
    // So much is bad luck.
    if (fall <= SIGMAS * Math.sqrt(sent * reach * (1 - reach))) return;
    const share = (sent / dealt.peers) * dealt.arrival ** 2;
    const absent = Math.min(this.faulty, dealt.peers - 1, Math.floor(fall / share + 1 - MOST));
    if (absent <= 0) return;
    const isOn = this.planned < this.until;
    this.absent = isOn ? Math.max(this.absent, absent) : absent;
    if (isOn) return;
    const isAgain = this.lasts > 0 && this.planned - this.until < FIRST_BLOCKS;
    this.lasts = isAgain ? Math.min(MAX_BLOCKS, 2 * this.lasts) : FIRST_BLOCKS;
    this.until = this.planned + this.lasts;
  }
}

/** Of a relay's share that has not come: what is lost besides is not quite as the paths say. */
const MOST = 0.75;
const SIGMAS = 3;
/** So many blocks are planned so, then one as if all relayed again; twice as many if they still do not. */
const FIRST_BLOCKS = 8;
const MAX_BLOCKS = 256;
