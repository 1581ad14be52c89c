import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { HeadwaterError } from '../../src/errors.js';
import { KEY_VALUE, RANGE_RESPONSE, TXN_REQUEST, WATCH_REQUEST } from '../../src/gateway/api/messages.js';
import { decode, encode, type Message } from '../../src/gateway/api/protobuf.js';

const keyValue = fc.record({
  key: fc.uint8Array(),
  create_revision: fc.maxSafeInteger(),
  mod_revision: fc.nat(),
  version: fc.nat(),
  value: fc.uint8Array({ maxLength: 300 }),
  lease: fc.bigInt(0n, 2n ** 63n - 1n),
});

describe('protocol buffers', () => {
  test('are those of the encoding guide', () => {
    // Field 1, bytes "testing"; field 3, int 150; field 2, -1.
    const bytes = Buffer.from('0a0774657374696e6718960110ffffffffffffffffff01', 'hex');
    const { key, mod_revision, create_revision } = decode(KEY_VALUE, bytes);
    expect(Buffer.from(key).toString()).toBe('testing');
    expect([mod_revision, create_revision]).toEqual([150, -1]);
  });

  test('come back as they were', () => {
    fc.assert(
      fc.property(keyValue, (value) => {
        const back = decode(KEY_VALUE, encode(KEY_VALUE, value));
        expect({ ...back, key: [...back.key], value: [...back.value] }).toEqual({
          ...value,
          key: [...value.key],
          value: [...value.value],
        });
      }),
    );
  });

  test('keep lists, messages within and what is left out', () => {
    const bytes = encode(RANGE_RESPONSE, { kvs: [{ key: Uint8Array.of(1) }, {}], more: true });
    const { kvs, more, count, header } = decode(RANGE_RESPONSE, bytes);
    expect([kvs.length, more, count, header]).toEqual([2, true, 0, undefined]);
  });

  test('skip fields that are not known', () => {
    const bytes = Buffer.concat([
      Buffer.from('f806017d01020304f906010203040506070882070161', 'hex'),
      encode(KEY_VALUE, { version: 5 }),
    ]);
    expect(decode(KEY_VALUE, bytes).version).toBe(5);
  });

  test('of any bytes are a message or malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        for (const type of [KEY_VALUE, TXN_REQUEST, WATCH_REQUEST] as Message<object>[])
          try {
            decode(type, bytes);
          } catch (error) {
            expect((error as HeadwaterError).code).toBe('MALFORMED');
          }
      }),
      { numRuns: 1000 },
    );
  });
});
