/** What a node tells of the machine that it is on. */
import { networkInterfaces } from 'node:os';
import { describe, expect, test, vi } from 'vitest';
import { nearbyAddresses } from '../../src/node/setup.js';

vi.mock('node:os', async (load) => ({
  ...(await load<typeof import('node:os')>()),
  networkInterfaces: vi.fn(),
}));
const named = (address: string, family: 'IPv4' | 'IPv6', internal = false) => ({
  ...{ address, family, internal, netmask: '', mac: '', cidr: null },
  ...(family === 'IPv6' ? { scopeid: 0 } : {}),
});
vi.mocked(networkInterfaces).mockReturnValue({
  lo: [named('127.0.0.1', 'IPv4', true), named('::1', 'IPv6', true)],
  eth0: [named('192.168.1.5', 'IPv4'), named('2001:db8::5', 'IPv6')],
} as ReturnType<typeof networkInterfaces>);

describe('addresses of the machine', () => {
  test('are told for a socket that is bound to all of them, as far as it has their family', () => {
    expect(nearbyAddresses('0.0.0.0:7000')).toEqual(['192.168.1.5:7000']);
    expect(nearbyAddresses('[::]:7000')).toEqual(['192.168.1.5:7000', '[2001:db8::5]:7000']);
  });

  test('are not for one that is bound to one', () => {
    expect(nearbyAddresses('192.168.1.5:7000')).toEqual([]);
    expect(nearbyAddresses('[::1]:7000')).toEqual([]);
  });
});
