/** All systems of the benchmark, in the order of its rows. */
import { multicast, overlay, unicast } from './headwater.js';
import { quicBbr, quicCubic } from './quic.js';
import { rsync } from './rsync.js';
import type { System } from './system.js';
import { bbr, cubic } from './tcp.js';
import { fec } from './udpcast.js';
import { fixed, tfmcc } from './uftp.js';

export const SYSTEMS: System[] = [
  unicast,
  overlay,
  multicast,
  cubic,
  bbr,
  rsync,
  quicCubic,
  quicBbr,
  fixed,
  tfmcc,
  fec,
];
