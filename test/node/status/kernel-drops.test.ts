/** The kernel's table of UDP sockets, as man 5 proc has it. */
import { expect, test } from 'vitest';
import { dropsIn } from '../../../src/node/status/kernel-drops.js';

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  501: 0100007F:1E79 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12345 2 0000000000000000 17
  502: 00000000000000000000000001000000:1E79 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 1 2 0 4
  503: 0100007F:11E7 00000000:1E79 07 00000000:00000000 00:00000000 00000000     0        0 12346 2 0000000000000000 99
`;

test('drops are those of the sockets that are bound to the port', () => {
  expect([dropsIn(TABLE, 0x1e79), dropsIn(TABLE, 0x11e7), dropsIn(TABLE, 7)]).toEqual([21, 99, 0]);
});
