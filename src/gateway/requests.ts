/** Requests as they are checked and looked at: what a transaction is about, and whether its comparisons hold. */
import {
  COMPARE_RESULT,
  COMPARE_TARGET,
  type Compare,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type TxnRequest,
} from './api/messages.js';
import { type Failure, invalidCall, unimplemented } from './api/status.js';
import { textOf } from './state/bytes.js';
import { MAX_KEY, type Put } from './state/change.js';
import { type State, VERSION_KEY } from './state/state.js';

export function putOf({ key, value, lease }: PutRequest): Put {
  return { key: textOf(key), value, lease };
}

/** What is wrong with it; undefined if nothing is. */
export function faultOfPut({ key }: PutRequest): Failure | undefined {
  if (key.length === 0) return invalidCall('key is not provided');
  if (key.length > MAX_KEY) return invalidCall(`key is too long: ${key.length} bytes of at most ${MAX_KEY}`);
  return undefined;
}

export function faultOfRange({ key, revision }: RangeRequest): Failure | undefined {
  if (key.length === 0) return invalidCall('key is not provided');
  if (revision > 0) return unimplemented('range: earlier revisions can be watched, but not read');
  return undefined;
}

export function faultOfTxn({ compare, success, failure }: TxnRequest): Failure | undefined {
  const all = [...success, ...failure];
  if (compare.length > MAX_OPS || success.length > MAX_OPS || failure.length > MAX_OPS)
    return invalidCall('too many operations in txn request');
  if (compare.some(({ range_end }) => range_end.length > 0))
    return unimplemented('txn: comparisons of intervals are not offered');
  for (const { request_range, request_put, request_delete_range, request_txn } of all) {
    if (request_delete_range || request_txn)
      return unimplemented('txn: deletions and transactions within are not offered');
    const fault = (request_range && faultOfRange(request_range)) ?? (request_put && faultOfPut(request_put));
    if (fault) return fault;
  }
  for (const branch of [success, failure]) {
    const keys = putsOf(branch).map(({ key }) => key);
    if (new Set(keys).size < keys.length) return invalidCall('duplicate key given in txn request');
  }
  return undefined;
}

export function putsOf(ops: readonly RequestOp[]): Put[] {
  return ops.flatMap(({ request_put }) => (request_put ? [putOf(request_put)] : []));
}

/** Keys that it is about: one that is being put must be there first. */
export function keysOf({ compare, success, failure }: TxnRequest): string[] {
  return [
    ...compare.map(({ key }) => textOf(key)),
    ...putsOf([...success, ...failure]).map(({ key }) => key),
  ];
}

/** A put of a key as long as it has a revision, which is how a message is sent once: that put. */
export function guardedPut({ compare, success }: TxnRequest): { put: Put; mod: number } | undefined {
  const [one] = compare;
  const put = success.length === 1 ? success[0].request_put : undefined;
  if (compare.length !== 1 || !put) return undefined;
  const isMod = one.target === COMPARE_TARGET.MOD && one.result === COMPARE_RESULT.EQUAL;
  if (!isMod || textOf(one.key) !== textOf(put.key)) return undefined;
  return { put: putOf(put), mod: one.mod_revision };
}

/** What hydra-node asks once when it starts: the version of the messages of who was there first, or it puts its own. */
export function versionPut({ compare, success, failure }: TxnRequest): Put | undefined {
  const [one] = compare;
  const put = failure.length === 1 ? failure[0].request_put : undefined;
  const isAsked = success.length === 1 && success[0].request_range !== undefined;
  if (compare.length !== 1 || !put || !isAsked || textOf(put.key) !== VERSION_KEY) return undefined;
  const isVersion = one.target === COMPARE_TARGET.VERSION && one.result === COMPARE_RESULT.GREATER;
  return isVersion && one.version === 0 && textOf(one.key) === VERSION_KEY ? putOf(put) : undefined;
}

/** Whether all comparisons hold; a key that is not there has zeros. */
export function holds(compare: readonly Compare[], state: State): boolean {
  return compare.every((one) => {
    const key = textOf(one.key);
    const found = state.keyspace.find(key);
    const sign = compareTo(one, found && { ...found, read: () => state.value(key, found) });
    switch (one.result) {
      case COMPARE_RESULT.EQUAL:
        return sign === 0;
      case COMPARE_RESULT.GREATER:
        return sign > 0;
      case COMPARE_RESULT.LESS:
        return sign < 0;
      default:
        return sign !== 0;
    }
  });
}

function compareTo(
  one: Compare,
  found: { version: number; create: number; mod: number; lease: bigint; read(): Uint8Array } | undefined,
): number {
  switch (one.target) {
    case COMPARE_TARGET.VERSION:
      return Math.sign((found?.version ?? 0) - one.version);
    case COMPARE_TARGET.CREATE:
      return Math.sign((found?.create ?? 0) - one.create_revision);
    case COMPARE_TARGET.MOD:
      return Math.sign((found?.mod ?? 0) - one.mod_revision);
    case COMPARE_TARGET.LEASE:
      return Number((found?.lease ?? 0n) > one.lease) - Number((found?.lease ?? 0n) < one.lease);
    default:
      return Buffer.compare(found?.read() ?? new Uint8Array(0), one.value);
  }
}

/** As etcd's default of --max-txn-ops. */
const MAX_OPS = 128;
