/**
 * Deliberate bugs, to show that the simulation would find them: each replaces one method of the protocol, or of the disk below it, by a wrong one, and
 * returns how to undo it. Product code knows nothing of them.
 */

import { Comparison } from '../../src/broadcast/agreement/comparison.js';
import { Stream } from '../../src/broadcast/agreement/stream.js';
import { Broadcast } from '../../src/broadcast/broadcast.js';
import { Journal } from '../../src/broadcast/delivery/journal.js';
import { Repair } from '../../src/broadcast/repair.js';
import { Marks } from '../../src/core/marks.js';
import { SECOND } from '../../src/core/time.js';
import { SimDisk } from '../../src/sim/disk.js';
import type { StoredObject } from '../../src/store/store.js';

type Method<T> = (this: T, ...args: never[]) => unknown;

/** The name is a method's own, so that one with another name does not compile. */
function replace<T extends object, F extends Method<T>>(
  prototype: T,
  original: F,
  make: (original: F) => (this: T, ...args: Parameters<F>) => ReturnType<F>,
): () => void {
  const { name } = original;
  if (Reflect.get(prototype, name) !== original) throw new Error(`no method '${name}' to replace`);
  Reflect.set(prototype, name, make(original));
  return () => {
    Reflect.set(prototype, name, original);
  };
}

export const MUTATIONS: Record<string, () => () => void> = {
  'confirm before sync': () =>
    replace(
      Broadcast.prototype,
      Broadcast.prototype.handleSymbol,
      (original) =>
        function (now, ...symbol) {
          const { log } = this['wings'];
          const { put } = log;
          let rebuilt: StoredObject | undefined;
          log.put = (object) => {
            put.call(log, object);
            rebuilt = object;
          };
          original.call(this, now, ...symbol);
          log.put = put;
          if (rebuilt) this['onStored'](now, rebuilt);
        },
    ),
  'deliver before quorum': () =>
    replace(
      Stream.prototype,
      Stream.prototype.deliverable,
      () =>
        function () {
          return this.count;
        },
    ),
  'deliver at a quorum of confirms, whoever may lie': () =>
    replace(
      Stream.prototype,
      Stream.prototype.deliverable,
      () =>
        function () {
          const confirmed = this.comparison.confirmedByQuorum(this.following.confirmed);
          return Math.max(this.delivered, Math.min(this.count, confirmed));
        },
    ),
  'take a copy of a store for the store': () =>
    replace(
      SimDisk.prototype,
      SimDisk.prototype.load,
      (original) =>
        function () {
          return { ...original.call(this), isCopy: false };
        },
    ),
  'forget the cursor': () => replace(Journal.prototype, Journal.prototype.moveCursor, () => () => {}),
  'accept a second hash': () =>
    replace(
      Comparison.prototype,
      Comparison.prototype['checkPoints'],
      () =>
        function (member) {
          const agreed = this['agreed'];
          // Whatever it holds counts as the same.
          for (const { count } of this['points'].get(member))
            if (count <= this['ledger'].count) agreed.set(member, Math.max(agreed.get(member), count));
          return true;
        },
    ),
  'ask for what is missing only after a while': () => {
    const first = new WeakMap<object, number>();
    return replace(
      Repair.prototype,
      Repair.prototype['ask'],
      (original) =>
        function (now, wanted) {
          if (!first.has(this)) first.set(this, now);
          if (now - first.get(this)! >= 30 * SECOND) original.call(this, now, wanted);
        },
    );
  },
  'forget to say that there is news for a peer': () => {
    let marks = 0;
    return replace(
      Marks.prototype,
      Marks.prototype.mark,
      (original) =>
        function (slot) {
          if (++marks % 50 !== 0) original.call(this, slot);
        },
    );
  },
  'prune before stable': () =>
    replace(
      Stream.prototype,
      Stream.prototype.stable,
      () =>
        function () {
          return this.delivered;
        },
    ),
};
