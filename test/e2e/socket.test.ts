/** A socket over a real interface, in a namespace of its own: what does not fit it, and what becomes of sending while it is down. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { labUnavailable } from '../../tools/lab/lab.js';

const reason = labUnavailable();
if (reason !== undefined) process.stderr.write(`skipped: ${reason}\n`);

const UDP = pathToFileURL(join(import.meta.dirname, '../../dist/node/udp.js')).href;
/** One socket sends to another; what came is told after each step, and what the sender has counted by then. */
const PROGRAM = `
  import { execFileSync } from 'node:child_process';
  import { setTimeout as sleep } from 'node:timers/promises';
  const { openUdp } = await import(${JSON.stringify(UDP)});
  const mode = process.argv[1];
  let heard = [];
  const to = await openUdp('127.0.0.1:0', [], (_from, bytes) => heard.push(bytes.length), { mode });
  const from = await openUdp('127.0.0.1:0', [], () => {}, { mode });
  const link = (state) => execFileSync('ip', ['link', 'set', 'lo', state]);
  const steps = [];
  const send = async (wanted, ...sizes) => {
    heard = [];
    for (const size of sizes) from.send(to.address, new Uint8Array(size));
    from.flush();
    for (let i = 0; i < 200 && heard.length < wanted; i++) await sleep(10);
    await sleep(20);
    steps.push({ heard, tooLarge: from.status().tooLarge });
  };
  await send(mode === 'dgram' ? 6 : 3, 1200, 1200, 1372, 1373, 1452, 1452);
  link('down');
  await send(0, 1200, 1200);
  link('up');
  await send(2, 1200, 1200);
  console.log(JSON.stringify({ steps, errors: from.sendErrors() }));
  await Promise.all([from.close(), to.close()]);
`;

function run(mode: string): unknown {
  const shell = 'ip link set lo mtu 1400 && ip link set lo up && exec node --input-type=module -e "$1" "$2"';
  const out = execFileSync('unshare', ['-n', 'sh', '-c', shell, 'sh', PROGRAM, mode], { encoding: 'utf8' });
  return JSON.parse(out);
}

describe.skipIf(reason !== undefined)(
  'an interface that carries 1400 bytes, and goes down and up again',
  () => {
    test('in batches: what is too large does not come in pieces, and is no error; what is sent after comes', () => {
      expect(run('batched')).toEqual({
        steps: [
          { heard: [1200, 1200, 1372], tooLarge: 3 },
          { heard: [], tooLarge: 3 },
          { heard: [1200, 1200], tooLarge: 3 },
        ],
        errors: 0,
      });
    });

    test('by dgram: it comes, in pieces, and goes on after as well', () => {
      expect(run('dgram')).toMatchObject({
        steps: [{ heard: [1200, 1200, 1372, 1373, 1452, 1452] }, { heard: [] }, { heard: [1200, 1200] }],
      });
    });
  },
);
