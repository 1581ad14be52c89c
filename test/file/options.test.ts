/** Options of `sendFiles` and `receiveFiles`: one that is none, or not what it should be, is refused by its name. */
import { expect, test } from 'vitest';
import { receiveFiles } from '../../src/file/receive.js';
import { sendFiles } from '../../src/file/send.js';

const node = { transfers: {} } as never;

test.each([
  [{ node, paths: ['a'], exlude: ['*.tmp'] }, 'exlude'],
  [{ node, paths: 'a' }, 'paths'],
  [{ node, paths: [] }, 'paths'],
  [{ node }, 'paths'],
  [{ paths: ['a'] }, 'node'],
  [{ node, paths: ['a'], symlinks: 'follow' }, 'symlinks'],
  [{ node, paths: ['a'], wait: -1 }, 'wait'],
  [{ node, paths: ['a'], timeout: '5' }, 'timeout'],
])('sendFiles: %j', async (options, named) => {
  await expect(sendFiles(options as never)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(named),
  });
});

test.each([
  [{ node, folder: 'a', overwite: true }, 'overwite'],
  [{ node }, 'folder'],
  [{ folder: 'a' }, 'node'],
  [{ node, folder: 'a', maxBytes: Number.NaN }, 'maxBytes'],
  [{ node, folder: 'a', overwrite: 'yes' }, 'overwrite'],
])('receiveFiles: %j', (options, named) => {
  expect(() => receiveFiles(options as never)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(named) }),
  );
});
