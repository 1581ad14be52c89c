/**
 * Which messages of ours their senders have named with a key, and where they went: kept in the store with the message itself, so
 * that an application that was killed can ask whether a message was taken, and one sent twice is sent once. In: keys of messages
 * that are durable. Out: their ids.
 */
import type { SentKey } from '../../store/store.js';
import type { MessageId } from '../../wire/symbol.js';
import { KeyTable } from './key-table.js';

export class SentKeys {
  private readonly self: number;
  private readonly known = new KeyTable();
  private next = 0;

  /** @param sent what the store holds, the oldest first */
  constructor(self: number, sent: readonly SentKey[]) {
    this.self = self;
    this.remember(sent);
  }

  /** The id of the message that was stored with this key, while it is one of the last MAX_SENT_KEYS. */
  find(key: Uint8Array): MessageId | undefined {
    const place = this.known.find(key);
    return place && { origin: this.self, ...place };
  }

  /** What is to be stored with an object of ours, for each of its messages that has a key. */
  entries(incarnation: number, seq: number, keys: readonly (Uint8Array | undefined)[]): SentKey[] {
    const entries: SentKey[] = [];
    keys.forEach((key, index) => {
      if (key) entries.push({ number: this.next++, key, incarnation, seq, index });
    });
    return entries;
  }

  /** The keys of an object's messages, by their index. */
  keysOf(incarnation: number, seq: number): (Uint8Array | undefined)[] {
    return this.known.keysOf(incarnation, seq);
  }

  /** These are in the store. */
  remember(sent: readonly SentKey[]): void {
    for (const one of sent) {
      this.known.add(one);
      this.next = Math.max(this.next, one.number + 1);
    }
  }
}

/** A key as one of a map. */
export function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}
