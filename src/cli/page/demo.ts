/** The page of a demo: what all its members see. In: the events that they print. Out: a page. */
import type { NodeStatus } from '../../node/status/shape.js';
import { Sights } from '../../node/status/sights.js';
import { formatBytes } from '../io.js';
import { Feed, wordsOf } from './feed.js';
import { type PageServer, servePage } from './server.js';

export interface DemoPage extends PageServer {
  /** Resolves when somebody looks. */
  watched(): Promise<void>;
  onEvent(member: string, event: Record<string, unknown>): void;
  /** A member's process was killed. */
  onKill(member: string): void;
  /** All is over; the page stays. */
  end(): void;
}

/** Serves the page of a group of these members. Throws NETWORK. */
export async function openDemoPage(
  where: { host: string; port: number },
  title: string,
  members: readonly string[],
): Promise<DemoPage> {
  const feed = new Feed({ title, kind: 'live', members: [...members] });
  const sights = new Map(members.map((name) => [name, new Sights()]));
  const last = new Map<string, NodeStatus>();
  const server = await servePage(where, (response) => feed.watch(response));
  const see = (status: NodeStatus) => {
    last.set(status.name, status);
    feed.push({ at: Date.now(), sights: [sights.get(status.name)!.next(status)], events: [] });
  };
  const tell = (member: string, kind: string, text: string | undefined) => {
    if (text !== undefined) feed.push({ at: Date.now(), sights: [], events: [{ member, kind, text }] });
  };
  return {
    ...server,
    watched: () => feed.watched(),
    onEvent(member, { event, ...fields }) {
      if (event === 'status') see(fields as unknown as NodeStatus);
      else tell(member, String(event), textOf(String(event), fields));
    },
    onKill(member) {
      tell(member, 'killed', 'was killed');
      const status = last.get(member);
      // Who is dead hears nobody.
      if (status) see({ ...status, peers: status.peers.map((peer) => ({ ...peer, reachable: false })) });
    },
    end: () => feed.end(),
  };
}

function textOf(event: string, fields: Record<string, unknown>): string | undefined {
  if (event === 'start') return `sends ${formatBytes(Number(fields.bytes))}`;
  if (event === 'saved') return 'has saved the file';
  if (event === 'sent') return 'is done: all within reach have the file';
  return wordsOf({ type: event, ...fields });
}
