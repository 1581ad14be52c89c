/** Who waits as a group: names, places, and who sees whom where. */
import { expect, test } from 'vitest';
import { toHex } from '../../src/core/bytes.js';
import { keyPair } from '../../src/crypto/keys.js';
import { parseGroup } from '../../src/group/group.js';
import { introductionOf } from '../../src/rendezvous/contents.js';
import type { Guest } from '../../src/rendezvous/host.js';
import { makeRoster, type Sender } from '../../src/rendezvous/roster.js';
import { joinOf } from './meeting.js';

const sender: Sender = {
  publicKey: keyPair(new Uint8Array(32).fill(9)).publicKey,
  name: 'sender',
  port: 7801,
  hosts: ['10.0.0.1', '127.0.0.1'],
};

const guestAt = (address: string, seed: number, rest: Parameters<typeof joinOf>[1] = {}): Guest => ({
  address,
  join: joinOf(new Uint8Array(32).fill(seed), { hosts: [], ...rest }),
});

/** The addresses of each member, as a guest is told them. */
function seenBy(guest: Guest, guests: Guest[]): Record<string, readonly string[]> {
  const { pieces } = makeRoster('code-1', sender, guests).guests.find((each) => each.guest === guest)!;
  const { members } = parseGroup(introductionOf(pieces).group);
  return Object.fromEntries(members.map(({ name, locators }) => [name, locators]));
}

test('all views are of one group, and its sender is named', () => {
  const guests = [guestAt('127.0.0.1:5000', 1, { port: 1 }), guestAt('10.0.0.7:5000', 2, { port: 2 })];
  const roster = makeRoster('code-1', sender, guests);
  const told = roster.guests.map(({ pieces }) => introductionOf(pieces));
  const ids = [roster.group, ...told.map(({ group }) => group)].map((text) => toHex(parseGroup(text).id));
  expect(new Set(ids).size).toBe(1);
  expect(told.map((each) => toHex(each.sender))).toEqual([toHex(sender.publicKey), toHex(sender.publicKey)]);
});

test('the sender is first where the guest has found it, and loopback is for who is there', () => {
  const near = guestAt('127.0.0.1:5000', 1, { port: 1, name: 'near', via: '127.0.0.1', hosts: ['10.0.0.1'] });
  const far = guestAt('10.0.0.7:5000', 2, {
    port: 2,
    name: 'far',
    via: '198.51.100.1',
    hosts: ['127.0.0.1'],
  });
  expect(seenBy(near, [near, far])).toEqual({
    sender: ['127.0.0.1:7801', '10.0.0.1:7801'],
    near: ['127.0.0.1:1', '10.0.0.1:1'],
    far: ['10.0.0.7:2', '127.0.0.1:2'],
  });
  expect(seenBy(far, [near, far])).toEqual({
    sender: ['198.51.100.1:7801', '10.0.0.1:7801', '127.0.0.1:7801'],
    near: ['10.0.0.1:1'],
    far: ['10.0.0.7:2'],
  });
});

test('who has the name of somebody else has a number behind it', () => {
  const guests = [1, 2, 3].map((i) => guestAt(`10.0.0.${i + 1}:1`, i, { name: i < 3 ? 'host' : 'sender' }));
  expect(makeRoster('code-1', sender, guests).guests.map(({ name }) => name)).toEqual([
    'host',
    'host-2',
    'sender-2',
  ]);
});

test('who claims the place of another, or of the sender, is left out, and the others have their group', () => {
  const honest = guestAt('10.0.0.7:5000', 1, { port: 4000 });
  const twin = guestAt('10.0.0.7:5001', 2, { port: 4000 });
  const impostor = guestAt('10.0.0.1:5001', 3, { port: 7801 });
  const { guests, refused, group } = makeRoster('code-1', sender, [honest, twin, impostor]);
  expect([guests.map(({ guest }) => guest), refused]).toEqual([[honest], [twin, impostor]]);
  expect(parseGroup(group).members).toHaveLength(2);
});

test('addresses that others have said to be theirs first stay theirs', () => {
  const honest = guestAt('10.0.0.7:5000', 1, { port: 4000, name: 'honest' });
  const greedy = guestAt('10.0.0.8:5000', 2, { port: 4000, name: 'greedy', hosts: ['10.0.0.7', '10.0.0.1'] });
  const view = seenBy(honest, [greedy, honest]);
  expect(view.honest).toContain('10.0.0.7:4000');
  expect(view.greedy).toEqual(['10.0.0.8:4000', '10.0.0.1:4000']);
});
