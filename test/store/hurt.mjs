// Opens a store again and again, each time with another kind of damage to its file, and uses it. Run as a process of its
// own, since what it looks for is that LMDB ends the process. One line of JSON for each round, before and after.
// Usage: node hurt.mjs MODULE STORE SEED ROUNDS; STORE is a sound one, closed, of objects 0 to 199 of one stream.
import { copyFileSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { argv } from 'node:process';

const [, , module, path, seed, rounds] = argv;
const { openStore } = await import(module);
const sound = readFileSync(path);
const copy = `${path}-hurt`;
const fill = (value) => new Uint8Array(32).fill(value);
const stream = { origin: 3, incarnation: 1_700_000_000_000 };
let random = Number(seed) >>> 0;
const draw = (below) => {
  random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((random / 2 ** 32) * below);
};

for (let round = 0; round < Number(rounds); round++) {
  const damage = hurt();
  writeSync(1, `${JSON.stringify({ round, damage })}\n`);
  const store = await openStore({ path: copy, groupId: fill(1), publicKey: fill(2) });
  const seqs = [];
  for (let seq = 0; seq < 200; seq++) {
    const object = await store.read({ ...stream, seq });
    if (object === undefined) continue;
    // The objects say their seq in each byte: see damage.test.ts.
    if (!object.bytes.every((byte) => byte === seq)) throw new Error(`object ${seq} is not what was written`);
    seqs.push(seq);
  }
  const object = { ...stream, seq: 500, certificate: fill(5), bytes: new Uint8Array(30_000).fill(5) };
  await store.commit([{ type: 'object', object }]);
  await store.commit([{ type: 'prune', stream, below: 150 }]);
  await store.close();
  writeSync(
    1,
    `${JSON.stringify({ recovered: store.recovered !== undefined, held: store.loaded.held.length, read: seqs.length })}\n`,
  );
  if (store.recovered !== undefined) rmSync(store.recovered);
}

/** Copies the file and damages the copy: cut off, a run of bytes written over, a page written over, or one bit flipped. */
function hurt() {
  for (const file of [copy, `${copy}-lock`, `${copy}-closed`]) rmSync(file, { force: true });
  // A damaged file is taken for a store because of what lies beside it.
  copyFileSync(`${path}-owner`, `${copy}-owner`);
  copyFileSync(path, copy);
  const file = openSync(copy, 'r+');
  const pages = sound.length / 4096;
  // Half of the time near the beginning of a page, where its header and pointers are.
  const at = draw(pages) * 4096 + (draw(2) === 0 ? draw(64) : draw(4096));
  switch (draw(5)) {
    case 0:
      ftruncateSync(file, at);
      return `cut off at ${at}`;
    case 1:
      writeSync(
        file,
        Uint8Array.from({ length: 1 + draw(40) }, () => draw(256)),
        0,
        undefined,
        at,
      );
      return `random bytes at ${at}`;
    case 2:
      writeSync(file, new Uint8Array(4096), 0, 4096, at - (at % 4096));
      return `zeros for page ${Math.floor(at / 4096)}`;
    case 3:
      writeSync(file, sound, draw(pages) * 4096, 4096, at - (at % 4096));
      return `another page for page ${Math.floor(at / 4096)}`;
    default:
      writeSync(file, Uint8Array.of(sound[at] ^ (1 << draw(8))), 0, 1, at);
      return `bit flipped at ${at}`;
  }
}
