/** All attacks: whatever the files of attacks/ export, the severe ones first. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Attack } from './attack.js';

export async function loadAttacks(): Promise<Attack[]> {
  const folder = join(import.meta.dirname, 'attacks');
  const files = readdirSync(folder)
    .filter((file) => /\.[jt]s$/.test(file))
    .sort();
  const modules = await Promise.all(
    files.map((file) => import(join(folder, file)) as Promise<Record<string, Attack>>),
  );
  const attacks = modules.flatMap((module) => Object.values(module));
  const names = attacks.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new Error(`attacks: expected each name once, got '${twice}' twice`);
  return attacks.sort((a, b) => Number(b.severe) - Number(a.severe));
}
