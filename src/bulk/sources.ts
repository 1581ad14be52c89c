/** What transfers have for the peers, in the order in which it is served. */
import {
  type FrameSource,
  type Sources,
  type SymbolSource,
  spreadSources,
} from '../broadcast/spread/sources.js';
import type { Transfer } from '../broadcast/spread/transfer.js';
import { AT_ONCE, NEVER } from '../core/time.js';
import type { Casts } from './cast/casts.js';
import type { Fetching } from './fetching.js';
import type { Telling } from './telling.js';
import type { BulkTransfer } from './transfer.js';

interface Parts {
  telling: Telling;
  fetching: Fetching;
  spread: Transfer<BulkTransfer>;
  casts: Casts;
}

export function sourcesOf({ telling, fetching, spread, casts }: Parts): Sources {
  const { serving, mail } = fetching;
  const standings: FrameSource = {
    dueAt: (peer) => telling.dueAt(peer),
    waiting: (peer, enough) => telling.waiting(peer, enough),
    take: (now, peer, room) => telling.take(now, peer, room),
  };
  const questions: FrameSource = {
    dueAt: (peer) => (mail.has(peer) ? AT_ONCE : NEVER),
    waiting: (peer, enough) => mail.size(peer, enough),
    take: (_now, peer, room) => mail.take(peer, room),
  };
  const { progress, owed, relayed, own } = spreadSources(spread);
  const served: SymbolSource = {
    has: (_now, peer) => serving.has(peer),
    next(now, peer, writer, beside) {
      const isAdded = serving.next(now, peer, writer, beside);
      fetching.readServed(now);
      return isAdded;
    },
  };
  return { frames: [casts.source, standings, questions, progress, owed], symbols: [relayed, own, served] };
}
