/**
 * soak hostile: attacks by members with a valid key and by strangers, each beside a control run from the same seed: see
 * attacks/. Honest members must deliver all of each other, once, about as fast as without the attack, within their
 * bounds of memory, disk and CPU.
 *   npm run soak -- hostile [--only text]... [--seconds n] [--shuffle text] [--seed text] [--json] [--list]
 * `--only` takes those with the text in their name; `--seconds` begins none after that, the severe ones come first, or with
 * `--shuffle` those that come first in the order of that seed. Exit code 1 if a row fails.
 */
import { stderr } from 'node:process';
import { Rng } from '../../../src/core/rng.js';
import { readOptions } from '../../options.js';
import { type Attack, type Claim, holds } from './attack.js';
import { loadAttacks } from './catalogue.js';

interface Row {
  name: string;
  measured: number;
  must: number;
  pass: boolean;
}

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({ args, options: OPTIONS });
  const { only, seed, shuffle, json } = values;
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new RangeError(`--seconds: expected more than 0, got ${values.seconds}`);
  const all = await loadAttacks();
  const matching = only ? all.filter(({ name }) => only.some((text) => name.includes(text))) : all;
  const chosen = shuffle === undefined ? matching : new Rng(shuffle).shuffle(matching);
  if (chosen.length === 0) throw new RangeError(`--only: expected part of an attack's name, got ${only}`);
  if (values.list) {
    for (const { name, where, severe } of chosen)
      console.log(`${where.padEnd(10)}${severe ? '!' : ' '} ${name}`);
    return;
  }
  const started = performance.now();
  const spent = () => (performance.now() - started) / 1000;
  const rows: Row[] = [];
  let done = 0;
  for (const attack of chosen) {
    if (spent() > seconds) break;
    const begun = spent();
    const claims = await attempt(attack, seed);
    done++;
    for (const claim of claims) rows.push(rowOf(attack, claim));
    if (!json) print(attack, claims, spent() - begun);
  }
  const failed = rows.filter(({ pass }) => !pass).length;
  stderr.write(
    `soak hostile: ${done} of ${chosen.length} attacks in ${Math.round(spent())} s, ` +
      `${rows.length} rows, ${failed} failed, seed '${seed}'\n`,
  );
  if (json) console.log(JSON.stringify({ rows }));
  if (failed > 0) process.exitCode = 1;
}

/** An attack that ends the harness has done harm, too. */
async function attempt(attack: Attack, seed: string): Promise<Claim[]> {
  try {
    return await attack.run(seed);
  } catch (error) {
    stderr.write(`soak hostile: ${attack.name}: ${(error as Error).stack}\n`);
    return [{ what: 'errors', measured: 1, must: 0 }];
  }
}

function rowOf({ name }: Attack, claim: Claim): Row {
  const round = (value: number) => Math.round(value * 1000) / 1000;
  const { what, measured, must } = claim;
  return { name: `${name}: ${what}`, measured: round(measured), must: round(must), pass: holds(claim) };
}

function print({ name }: Attack, claims: readonly Claim[], seconds: number): void {
  const failed = claims.filter((claim) => !holds(claim));
  const text = (value: number) => (Math.abs(value) >= 100 ? value.toFixed(0) : Number(value.toFixed(2)));
  const show = ({ what, measured, must }: Claim) => `${what} ${text(measured)} (at most ${text(must)})`;
  console.log(`${failed.length === 0 ? 'ok    ' : 'FAILED'} ${name.padEnd(62)} ${seconds.toFixed(1)} s`);
  for (const claim of claims) console.log(`         ${holds(claim) ? '  ' : '! '}${show(claim)}`);
}

const OPTIONS = {
  only: { type: 'string', multiple: true },
  seconds: { type: 'string', default: '100000' },
  seed: { type: 'string', default: 'hostile' },
  shuffle: { type: 'string' },
  list: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;
