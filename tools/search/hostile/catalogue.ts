/** All attacks: whatever the files of attacks/ export; the severe ones first, and of those the ones on the virtual clock. */
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
  const rank = ({ severe, where }: Attack) => (severe ? 0 : 2) + (where === 'virtual' ? 0 : 1);
  return attacks.sort((a, b) => rank(a) - rank(b));
}
