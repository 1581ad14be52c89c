/**
 * Deliberate bugs, to show that the simulation would find them: each replaces one method of the protocol by a wrong one, and
 * returns how to undo it. Product code knows nothing of them.
 */

import { Comparison } from '../../src/broadcast/agreement/comparison.js';
import { Stream } from '../../src/broadcast/agreement/stream.js';
import { Broadcast } from '../../src/broadcast/broadcast.js';
import { Journal } from '../../src/broadcast/delivery/journal.js';
import { Repair } from '../../src/broadcast/repair.js';
import { Marks } from '../../src/core/marks.js';
import { SECOND } from '../../src/core/time.js';

// biome-ignore lint/suspicious/noExplicitAny: what is replaced is private.
type Method = (this: any, ...args: any[]) => any;

function replace(owner: { prototype: object }, name: string, make: (original: Method) => Method): () => void {
  const prototype = owner.prototype as Record<string, Method>;
  const original = prototype[name];
  if (typeof original !== 'function') throw new Error(`no method '${name}' to replace`);
  prototype[name] = make(original);
  return () => {
    prototype[name] = original;
  };
}

export const MUTATIONS: Record<string, () => () => void> = {
  'confirm before sync': () =>
    replace(
      Broadcast,
      'handleSymbol',
      (original) =>
        function (now, ...symbol) {
          const { log } = this.wings;
          const { put } = log;
          let rebuilt: unknown;
          log.put = (object: unknown) => {
            put.call(log, object);
            rebuilt = object;
          };
          original.call(this, now, ...symbol);
          log.put = put;
          if (rebuilt) this.onStored(now, rebuilt);
        },
    ),
  'deliver before quorum': () =>
    replace(
      Stream,
      'deliverable',
      () =>
        function () {
          return this.count;
        },
    ),
  'deliver at a quorum of confirms, whoever may lie': () =>
    replace(
      Stream,
      'deliverable',
      () =>
        function () {
          const confirmed = this.comparison.confirmedByQuorum(this.following.confirmed);
          return Math.max(this.delivered, Math.min(this.count, confirmed));
        },
    ),
  'forget the cursor': () => replace(Journal, 'moveCursor', () => () => {}),
  'accept a second hash': () =>
    replace(
      Comparison,
      'checkPoints',
      () =>
        function (member) {
          // Whatever it holds counts as the same.
          for (const { count } of this.points[member])
            if (count <= this.ledger.count) this.agreed[member] = Math.max(this.agreed[member], count);
          return true;
        },
    ),
  'ask for what is missing only after a while': () => {
    const first = new WeakMap<object, number>();
    return replace(
      Repair,
      'ask',
      (original) =>
        function (now, ...what) {
          if (!first.has(this)) first.set(this, now);
          if (now - first.get(this)! >= 30 * SECOND) original.call(this, now, ...what);
        },
    );
  },
  'forget to say that there is news for a peer': () => {
    let marks = 0;
    return replace(
      Marks,
      'mark',
      (original) =>
        function (slot) {
          if (++marks % 50 !== 0) original.call(this, slot);
        },
    );
  },
  'prune before stable': () =>
    replace(
      Stream,
      'stable',
      () =>
        function () {
          return this.delivered;
        },
    ),
};
