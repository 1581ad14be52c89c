/** The live page of a running member. In: its status, several times a second while somebody watches, and its events. Out: a page. */
import type { Node } from '../../node/node.js';
import { type NodeEvent, plainEvent } from '../../node/status/events.js';
import { Sights } from '../../node/status/sights.js';
import { Feed, wordsOf } from './feed.js';
import { type PageServer, servePage } from './server.js';

export interface LivePage extends PageServer {
  /** Something has happened. */
  onEvent(event: NodeEvent): void;
}

/** Serves the page of this member. Throws NETWORK. */
export async function openLivePage(node: Node, where: { host: string; port: number }): Promise<LivePage> {
  const { name } = node.self;
  const feed = new Feed({
    title: `${name} of ${node.group.name}`,
    kind: 'live',
    members: node.group.members.map((member) => member.name),
  });
  const sights = new Sights();
  const look = () =>
    feed.push({ at: Date.now(), sights: [sights.next(node.status({ detail: true }))], events: [] });
  const server = await servePage(where, (response) => {
    feed.watch(response);
    look();
  });
  let ticks = 0;
  const timer = setInterval(() => {
    if (feed.isWatched || ticks % UNWATCHED_TICKS === 0) look();
    ticks++;
  }, TICK_MS).unref();
  return {
    ...server,
    onEvent(event) {
      feed.push({
        at: Date.now(),
        sights: [],
        events: [{ member: name, kind: event.type, text: wordsOf(plainEvent(event)) ?? event.type }],
      });
    },
    close() {
      clearInterval(timer);
      return server.close();
    },
  };
}

const TICK_MS = 200;
/** Without a watcher once a second: who comes then sees how it has been. */
const UNWATCHED_TICKS = 5;
