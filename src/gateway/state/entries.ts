/** What has changed the state, in its order, so that it can be done again after a crash. */
import { Reader, Writer } from '../../core/bytes.js';
import type { MessageId } from '../../wire/symbol.js';

export interface Entry {
  kind: number;
  content: Uint8Array;
}

/** A message of the group as it was delivered here. */
export interface AppliedMessage {
  id: MessageId;
  bytes: Uint8Array;
  /** Of this machine's clock, in ms since 1970. */
  time: number;
}

export const MESSAGE_ENTRY = 0;
/** Revisions go on above a number. */
export const RAISE_ENTRY = 1;

export function messageEntry({ id, bytes, time }: AppliedMessage): Entry {
  const writer = new Writer(ID_SIZE + bytes.length).u48(time).u16(id.origin).u48(id.incarnation);
  return { kind: MESSAGE_ENTRY, content: writer.u48(id.seq).u32(id.index).put(bytes).finish() };
}

export function parseMessageEntry({ content }: Entry): AppliedMessage {
  const reader = new Reader(content);
  const time = reader.u48('time');
  const origin = reader.u16('origin');
  const incarnation = reader.u48('incarnation');
  const id = { origin, incarnation, seq: reader.u48('seq'), index: reader.u32('index') };
  return { id, time, bytes: reader.take(reader.remaining, 'message') };
}

export function raiseEntry(number: number): Entry {
  return { kind: RAISE_ENTRY, content: new Writer(6).u48(number).finish() };
}

export function parseRaiseEntry({ content }: Entry): number {
  return new Reader(content).u48('number');
}

const ID_SIZE = 6 + 2 + 6 + 6 + 4;
