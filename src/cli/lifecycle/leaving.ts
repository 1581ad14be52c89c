/** How a member takes its leave: not before the others have what it has said, as far as they can be reached. */
import type { Node } from '../../node/node.js';
import { note, sleep } from '../io.js';

/** Waits until every member within reach holds all that this one has said, but not for long; names those that do not. */
export async function takeLeave(node: Node): Promise<void> {
  let lacking = lackingOf(node);
  for (let waited = 0; lacking.length > 0 && waited < PATIENCE_MS; waited += POLL_MS) {
    if (waited === NOTE_MS) note(`waiting for ${lacking.join(', ')} to get what was said here`);
    await sleep(POLL_MS);
    lacking = lackingOf(node);
  }
  if (lacking.length > 0)
    note(
      `${lacking.join(', ')} did not get all that was said here; with a store it goes out after the next start`,
      'warning',
    );
}

function lackingOf(node: Node): string[] {
  const { name, streams, peers } = node.status();
  const own = streams.filter(({ from }) => from === name);
  return peers
    .filter((peer) => peer.reachable && own.some(({ lackedBy }) => (lackedBy[peer.name] ?? 0) > 0))
    .map((peer) => peer.name);
}

const POLL_MS = 50;
const NOTE_MS = 500;
/** Docker kills a container 10 s after it was told to stop. */
const PATIENCE_MS = 5000;
