/** Messages of the commands: what goes in comes out, and what was never put in is MALFORMED. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { unwrapMessage, wrapMessage } from '../../src/file/envelope.js';
import { holds } from '../wire/holds.js';

test('a text', () =>
  holds(
    'message round trip',
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(unwrapMessage(wrapMessage(bytes))).toEqual(bytes);
    }),
  ));

test.each([[Uint8Array.of()], [Uint8Array.of(1, 0, 0)], [Uint8Array.of(2)]])('%j is none', (message) => {
  expect(() => unwrapMessage(message)).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
});
