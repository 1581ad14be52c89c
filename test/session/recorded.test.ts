/**
 * Sessions that go as they went, to the microsecond: each handshake, cookie and control datagram, each event, and how many
 * datagrams of data there were between them. Whoever changes when something is sent, or how often, is to know. After a change
 * that is meant to: `npx vitest run test/session/recorded.test.ts -u`, and see in the diff what has become of each story.
 */
import { expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import type { LinkOptions } from '../../src/sim/net/link.js';
import { iid } from '../../src/sim/net/loss.js';
import { drops, kindOf, type Node, World, type WorldOptions } from './world.js';

interface Story extends WorldOptions {
  seconds: number;
  /** Time between two datagrams from each member that talks. */
  every?: Micros;
  /** Who sends data, to all others; default all. */
  talkers?: number[];
  /** What else happens, by the second. */
  events?: Record<number, (world: World, nodes: Node[]) => void>;
}

const NAMES = ['', 'initiation', 'response', 'cookie', 'data', 'control'];
const cut = (options: LinkOptions) => (world: World) => world.links.update(options);
const mute =
  (address: string): ((world: World) => void) =>
  (world) =>
    world.links.update((from) => ({ blocked: from === address }));
const FAST = {
  rekeyAfter: 3 * SECOND,
  rejectAfter: 7 * SECOND,
  grace: SECOND,
  idleAfter: 4 * SECOND,
};
const TWO = [['m0:1'], ['m1:1', 'm1:2']];

const STORIES: Record<string, Story> = {
  'two that talk for six minutes, with keys made anew': { seconds: 370, every: 5 * SECOND },
  'one that only listens': { seconds: 130, every: 700 * MILLISECOND, talkers: [1] },
  'one that says something, and then nothing any more': { seconds: 70, every: 1000 * SECOND, talkers: [0] },
  'keys that are old, while nothing arrives': {
    seconds: 200,
    every: 9 * SECOND,
    events: { 100: cut({ blocked: true }), 195: cut({ blocked: false }) },
  },
  'a peer that is away for two minutes': {
    seconds: 130,
    every: 20 * SECOND,
    events: { 0: cut({ blocked: true }), 122: cut({ blocked: false }) },
  },
  'a peer that is never heard, and answers': { seconds: 45, talkers: [0], events: { 0: mute('m1:1') } },
  'keys that last for few datagrams': {
    seconds: 12,
    every: 90 * MILLISECOND,
    limits: { rekeyAfterPackets: 32 },
  },
  'keys that live for seconds, under loss': {
    seconds: 30,
    every: 400 * MILLISECOND,
    limits: FAST,
    link: { loss: iid(0.3), reorder: 0.2, duplicate: 0.1 },
  },
  'a responder that renews because the other side does not get through': {
    seconds: 12,
    every: 600 * MILLISECOND,
    limits: FAST,
    events: {
      1: (world) => {
        world.tap = (sent) => (kindOf(sent.bytes) === 1 && sent.from === 'm0:1' ? [] : [sent]);
      },
    },
  },
  'both ends restart, one after the other and at once': {
    seconds: 24,
    every: 800 * MILLISECOND,
    link: { loss: iid(0.1) },
    events: {
      5: (world, [a]) => world.start(a),
      10: (world, [, b]) => world.start(b),
      15: (world, [a, b]) => {
        world.start(a);
        world.start(b);
      },
    },
  },
  'a member behind a NAT that forgets it, twice': {
    seconds: 30,
    every: 300 * MILLISECOND,
    events: {
      5: (_, [a]) => {
        a.address = 'nat:1';
      },
      15: (_, [a]) => {
        a.address = 'nat:2';
      },
      // The first one is heard once more, from a source that cannot be answered.
      20: (world, [a]) => {
        a.address = 'nat:3';
        world.links.update((_, to) => ({ blocked: to === 'nat:3' }));
      },
    },
  },
  'datagrams that somebody copies from elsewhere': {
    seconds: 8,
    every: 500 * MILLISECOND,
    events: {
      2: (world) => {
        world.tap = (sent) =>
          sent.from === 'm0:1' ? [{ ...sent, from: `evil:${Math.floor(sent.at / SECOND)}` }, sent] : [sent];
      },
    },
  },
  'a peer with two addresses, one of which goes': {
    seconds: 16,
    every: 500 * MILLISECOND,
    locators: TWO,
    events: {
      2: (world, [a]) => a.table.challenge(world.now, 1, 'm1:2'),
      3: (_, [a]) => a.table.moveTo(1, 'm1:2'),
      5: (_, [, b]) => {
        b.address = 'm1:2';
      },
      8: (world) => world.links.update((_, to) => ({ blocked: to === 'm1:2' })),
      11: (world, [a]) => {
        a.table.moveTo(1, 'm1:1');
        world.start(a);
      },
    },
  },
  'a clock that is put back': {
    seconds: 40,
    every: SECOND,
    events: {
      5: (world, [, b]) => {
        b.incarnation = -3;
        world.start(b);
      },
      30: (world) => {
        world.clockOffset[0] -= 20 * SECOND;
      },
    },
  },
  'five members where hardly any first message goes without a cookie': {
    seconds: 8,
    every: 250 * MILLISECOND,
    members: 5,
    limits: { cookielessRate: 1, cookieRate: 4, sourceRate: 2, cookieReplyRate: 2, ...FAST },
    link: { loss: iid(0.05) },
    events: {
      4: (world, nodes) => {
        for (const node of nodes) world.start(node);
      },
    },
  },
  'cookies over four minutes': {
    seconds: 250,
    every: 11 * SECOND,
    members: 3,
    limits: { cookielessRate: 0, rekeyAfter: 50 * SECOND },
  },
};

test.each(Object.entries(STORIES))('%s', (name, story) => {
  const world = new World({ seed: name, ...story });
  expect(tell(world, story).join('\n')).toMatchSnapshot();
});

/** All that happens but data, which is counted. */
function tell(world: World, { seconds, every = SECOND, talkers, events = {} }: Story): string[] {
  const { nodes } = world;
  const rng = new Rng('talk');
  const begin = world.now;
  for (const node of nodes) node.table.connect(world.clock(node), (node.index + 1) % nodes.length);
  let nextTalk = begin;
  for (let second = 0; second < seconds; second++) {
    events[second]?.(world, nodes);
    const end = begin + (second + 1) * SECOND;
    for (; nextTalk < end; nextTalk += every) {
      world.run(Math.max(0, nextTalk - world.now));
      for (const node of nodes)
        for (const other of nodes)
          if (other !== node && (talkers?.includes(node.index) ?? true))
            world.send(node, other, 'x'.repeat(rng.integer(1, 40)));
    }
    world.run(end - world.now);
  }
  const lines: { at: Micros; text: string }[] = [];
  let data = 0;
  for (const { at, from, to, bytes } of world.wire) {
    if (NAMES[kindOf(bytes)] === 'data') data++;
    else {
      lines.push({ at, text: `${from} > ${to} ${NAMES[kindOf(bytes)]} after ${data}` });
      data = 0;
    }
  }
  for (const { index, events: seen } of nodes)
    for (const { at, ...event } of seen) lines.push({ at, text: `${index}: ${JSON.stringify(event)}` });
  lines.sort((a, b) => a.at - b.at);
  return [
    ...lines.map(({ at, text }) => `${((at - begin) / SECOND).toFixed(6)} ${text}`),
    ...nodes.map((node) => {
      const { received, table } = node;
      const { handshakesRead, cookiesSent } = table.metrics;
      const rest = { handshakesRead, cookiesSent, ...table.sizes(), ...drops(node) };
      return `${node.index}: heard ${received.length}, ${JSON.stringify(rest)}`;
    }),
  ];
}
