/** The journal and the log of revisions, and how a gateway's state gets from one into the other. */
import { appendFileSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Journal, readJournal } from '../../src/gateway/server/disk/journal.js';
import { openLog } from '../../src/gateway/server/disk/log.js';
import { LogWriter } from '../../src/gateway/server/disk/writer.js';
import type { Entry } from '../../src/gateway/state/entries.js';
import { cleanup, tempFolder } from '../e2e/cli.js';
import { bytes, Seat, watchFrom } from './seat.js';

afterEach(cleanup);

const entry = (text: string): Entry => ({ kind: 0, content: bytes(text) });
const contents = (entries: Entry[]) => entries.map(({ content }) => new TextDecoder().decode(content));

async function paths(): Promise<[string, string]> {
  const folder = await tempFolder();
  return [join(folder, 'a'), join(folder, 'b')];
}

describe('a journal', () => {
  test('has what was appended, in its order, over its turns', async () => {
    const files = await paths();
    const journal = new Journal(files);
    journal.append([entry('1'), entry('2')]);
    journal.turn();
    journal.append([entry('3')]);
    expect(contents(readJournal(files))).toEqual(['1', '2', '3']);
    journal.drop();
    expect(contents(readJournal(files))).toEqual(['3']);
    journal.close();
  });

  test('that was cut off, or goes on with something else, ends there', async () => {
    const files = await paths();
    const journal = new Journal(files);
    journal.append([entry('1'), entry('2')]);
    journal.close();
    const { size } = statSync(files[0]);
    for (const cut of [1, 5, 20]) {
      truncateSync(files[0], size - cut);
      expect(contents(readJournal(files))).toEqual(['1']);
    }
    truncateSync(files[0], size / 2);
    appendFileSync(files[0], Buffer.alloc(100, 7));
    expect(contents(readJournal(files))).toEqual(['1']);
  });

  test('without room says so', async () => {
    const journal = new Journal(['/dev/full', '/dev/full']);
    expect(journal.append([entry('1')])).toBe(false);
    journal.close();
  });
});

describe('a gateway’s log', () => {
  const owner = new Uint8Array(32).fill(1);
  const open = async (folder: string) => {
    const log = await openLog(join(folder, 'log'), owner);
    const files: [string, string] = [join(folder, 'a'), join(folder, 'b')];
    const seat = new Seat({ loaded: log.loaded, records: log, entries: readJournal(files) }).connect();
    const journal = new Journal(files);
    const errors: Error[] = [];
    const writer = new LogWriter({
      gateway: seat.gateway,
      journal,
      log,
      onKept: () => {},
      onCommit: () => {},
      onError: (error) => errors.push(error),
    });
    return { log, seat, journal, writer, files };
  };

  test('answers from the journal before the log has it, and the log has it then', async () => {
    const { log, seat, writer, files } = await open(await tempFolder());
    const call = seat.put('k', 'v');
    seat.deliver();
    writer.wake();
    expect(seat.answer(call)).toBeDefined();
    expect(log.next(0)).toBeUndefined();
    await writer.settled('soon');
    expect(log.next(0)?.number).toBe(2);
    expect(readFileSync(files[0]).length + readFileSync(files[1]).length).toBe(0);
    await log.close();
  });

  test('is the same after a crash at any time', async () => {
    const folder = await tempFolder();
    const first = await open(folder);
    for (let i = 0; i < 10; i++) {
      first.seat.put('k', `${i}`);
      first.seat.deliver();
      first.writer.wake();
      if (i === 5) await first.writer.settled('soon');
    }
    // No more is written: what is left is what a crash would leave.
    await first.log.close();
    const second = await open(folder);
    expect(second.seat.value('k')).toBe('9');
    expect(second.seat.gateway.state.revision).toBe(11);
    const watches = second.seat.gateway.watch();
    watches.handle(watchFrom(1, 'k', ''));
    second.seat.commit();
    await second.log.close();
  });

  test('goes without a journal that has no room, and answers once it is in the log', async () => {
    const { log, seat } = await open(await tempFolder());
    const full = new Journal(['/dev/full', '/dev/full']);
    const writer = new LogWriter({
      gateway: seat.gateway,
      journal: full,
      log,
      onKept: () => {},
      onCommit: () => {},
      onError: () => {},
    });
    const call = seat.put('k', 'v');
    seat.deliver();
    writer.wake();
    expect(seat.answer(call)).toBeUndefined();
    await writer.settled('soon');
    expect(seat.answer(call)).toBeDefined();
    await log.close();
  });

  test('of another member or cluster is refused', async () => {
    const folder = await tempFolder();
    const { log, seat, writer } = await open(folder);
    seat.put('k', 'v');
    seat.deliver();
    await writer.settled('soon');
    await log.close();
    await expect(openLog(join(folder, 'log'), new Uint8Array(32))).rejects.toMatchObject({ code: 'STORE' });
  });

  test('lets go of what is compacted, but for the values that keys have', async () => {
    const { log, seat, writer } = await open(await tempFolder());
    for (const [key, value] of [
      ['old', '1'],
      ['k', '2'],
      ['k', '3'],
    ]) {
      seat.put(key, value);
      seat.deliver();
    }
    await writer.settled('soon');
    seat.gateway.kv.compact(seat.call(), 4);
    await writer.settled('soon');
    expect([log.read(2), log.read(3), log.read(4)].map((record) => record !== undefined)).toEqual([
      true,
      false,
      true,
    ]);
    seat.put('old', '4');
    seat.deliver();
    await writer.settled('soon');
    expect(log.read(2)).toBeUndefined();
    await log.close();
  });
});
