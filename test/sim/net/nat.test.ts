/** Boxes that translate addresses: what they let in, for how long, and what is reached through several of them. */
import { describe, expect, test } from 'vitest';
import { SECOND } from '../../../src/core/time.js';
import { NatBox, type NatOptions, Nats } from '../../../src/sim/net/nat.js';

const [A, B, HUB, OTHER] = ['10.0.0.1:7000', '10.0.0.2:7000', '198.51.100.1:7000', '198.51.100.2:7000'];
const HOST = '203.0.113.1';

/** One member behind a box, all others outside. */
const home = (options: Partial<NatOptions> = {}) => {
  const box = new NatBox({ host: HOST, ...options });
  return { box, nats: new Nats(new Map([[A, [box]]])) };
};

/** Whether a datagram gets to where it is sent. */
function arrives(nats: Nats, from: string, to: string, now = 0): boolean {
  const passage = nats.pass(now, from, to);
  return passage !== undefined && passage.isLetIn?.(now) !== false;
}

describe('a box', () => {
  test('shows those outside one address of its own for each inside, and leads back from there', () => {
    const { nats } = home();
    expect(nats.pass(0, A, HUB)).toEqual({ from: `${HOST}:40000`, to: HUB });
    expect(nats.pass(0, A, OTHER)!.from).toBe(`${HOST}:40000`);
    expect(nats.pass(0, HUB, `${HOST}:40000`)).toMatchObject({ from: HUB, to: A });
    expect(arrives(nats, HUB, `${HOST}:40000`)).toBe(true);
  });

  test('that is symmetric shows each of them another one', () => {
    const { nats } = home({ isSymmetric: true });
    expect(nats.pass(0, A, HUB)!.from).toBe(`${HOST}:40000`);
    expect(nats.pass(0, A, OTHER)!.from).toBe(`${HOST}:40001`);
    expect(nats.pass(0, A, HUB)!.from).toBe(`${HOST}:40000`);
  });

  test('is not passed by who has not been sent to, nor reached at an address inside', () => {
    const { nats } = home();
    expect(nats.pass(0, HUB, A)).toBeUndefined();
    expect(nats.pass(0, HUB, `${HOST}:40000`)).toBeUndefined();
    nats.pass(0, A, HUB);
    expect(arrives(nats, OTHER, `${HOST}:40000`)).toBe(false);
  });

  test.each([
    ['open', true, true],
    ['host', true, false],
    ['address', false, false],
  ] as const)('whose filter is %s', (filter, sameHost, anybody) => {
    const { nats } = home({ filter });
    nats.pass(0, A, HUB);
    expect(arrives(nats, '198.51.100.1:9', `${HOST}:40000`)).toBe(sameHost);
    expect(arrives(nats, OTHER, `${HOST}:40000`)).toBe(anybody);
  });

  test('forgets after 30 s in which nothing went out, whatever came in', () => {
    const { nats } = home({ filter: 'open' });
    nats.pass(0, A, HUB);
    expect(arrives(nats, HUB, `${HOST}:40000`, 30 * SECOND)).toBe(true);
    expect(arrives(nats, HUB, `${HOST}:40000`, 30 * SECOND + 1)).toBe(false);
    expect(nats.pass(31 * SECOND, A, HUB)!.from).toBe(`${HOST}:40001`);
  });

  test('that has lost what it knew', () => {
    const { box, nats } = home({ filter: 'open' });
    nats.pass(0, A, HUB);
    box.reset();
    expect(nats.pass(0, HUB, `${HOST}:40000`)).toBeUndefined();
  });

  test('judges what comes when it comes', () => {
    const { nats } = home();
    nats.pass(0, A, HUB);
    const passage = nats.pass(0, OTHER, `${HOST}:40000`)!;
    expect(passage.isLetIn!(0)).toBe(false);
    nats.pass(1, A, OTHER);
    expect(passage.isLetIn!(2)).toBe(true);
  });
});

describe('two behind one box', () => {
  const both = (hairpins: boolean) => {
    const box = new NatBox({ host: HOST, hairpins, filter: 'open' });
    return new Nats(
      new Map([
        [A, [box]],
        [B, [box]],
      ]),
    );
  };

  test('reach each other inside', () => {
    expect(both(false).pass(0, A, B)).toEqual({ from: A, to: B });
  });

  test.each([true, false])('reach each other at its outer address if it leads back: %s', (hairpins) => {
    const nats = both(hairpins);
    nats.pass(0, B, HUB);
    expect(arrives(nats, A, `${HOST}:40000`)).toBe(hairpins);
    if (hairpins) expect(nats.pass(0, A, `${HOST}:40000`)).toMatchObject({ from: `${HOST}:40001`, to: B });
  });
});

test('a box behind that of a carrier: both have to let in what comes', () => {
  const carrier = new NatBox({ host: HOST, filter: 'host', hairpins: true });
  const inner = (place: number) => new NatBox({ host: `100.64.0.${place}` });
  const nats = new Nats(
    new Map([
      [A, [inner(1), carrier]],
      [B, [inner(2), carrier]],
    ]),
  );
  expect(nats.pass(0, A, HUB)).toEqual({ from: `${HOST}:40000`, to: HUB });
  expect(nats.pass(0, B, HUB)).toEqual({ from: `${HOST}:40001`, to: HUB });
  expect(nats.pass(0, HUB, `${HOST}:40001`)).toMatchObject({ from: HUB, to: B });
  // The carrier lets in all of a host, the box of the home does not.
  expect(arrives(nats, '198.51.100.1:9', `${HOST}:40000`)).toBe(false);
  expect(arrives(nats, A, `${HOST}:40001`)).toBe(false);
  expect(arrives(nats, B, `${HOST}:40000`)).toBe(true);
  expect(arrives(nats, A, `${HOST}:40001`)).toBe(true);
});
