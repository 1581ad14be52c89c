/**
 * How a hydra-node puts messages on its own key: blindly up to 2.1.0, since then on condition that nobody has put since, which
 * makes the retry of a put whose answer was missed harmless. In: a connection, key and value, the key's last revision.
 */
import {
  type Header,
  METHODS,
  type PutRequest,
  type RangeRequest,
  type RangeResponse,
  type TxnRequest,
  type TxnResponse,
} from '../etcd/client.js';
import { encodeBatch, encodeMessage } from './cbor.js';
import type { GrpcConnection } from './grpc.js';
import type { Release } from './releases.js';

export interface PutResult {
  /** Of the key, from now on. */
  revision: number;
  /** Something had been put since, which is taken for an earlier try of this. */
  deduped: boolean;
}

/** What a message, or with protocol 2 a batch of them, is to etcd. */
export function encodeValue(messages: readonly Uint8Array[], protocolVersion: number): Buffer {
  return protocolVersion === 1 ? encodeMessage(messages[0]) : encodeBatch(messages);
}

/** Throws a GrpcError, and an Error where the put was refused although the key is not there, which is fatal on purpose. */
export async function putMessages(
  connection: GrpcConnection,
  write: Release['write'],
  key: Buffer,
  value: Buffer,
  revision: number,
): Promise<PutResult> {
  if (write === 'put') {
    const { header } = await connection.call<PutRequest, { header: Header }>(METHODS.put, { key, value });
    return { revision: header.revision, deduped: false };
  }
  const { header, succeeded, responses } = await connection.call<TxnRequest, TxnResponse>(METHODS.txn, {
    compare: [{ target: 'MOD', result: 'EQUAL', key, mod_revision: revision }],
    success: [{ request_put: { key, value } }],
    failure: [{ request_range: { key } }],
  });
  if (succeeded) return { revision: header.revision, deduped: false };
  const found = responses[0]?.response_range?.kvs[0];
  if (found === undefined) throw new Error(`put: expected ${key} at ${revision} or later, got no such key`);
  return { revision: found.mod_revision, deduped: true };
}

/** Of the key's last put; 0 where there is none. */
export async function currentRevision(connection: GrpcConnection, key: Buffer): Promise<number> {
  const { kvs } = await connection.call<RangeRequest, RangeResponse>(METHODS.range, { key });
  return kvs[0]?.mod_revision ?? 0;
}
