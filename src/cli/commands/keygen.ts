/** `headwater keygen`: makes a member's secret key file and prints its public key. */
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { formatPublicKey, formatSecretKey, keyPair } from '../../crypto/keys.js';
import { HeadwaterError } from '../../errors.js';
import { print, printJson } from '../io.js';

export function keygenCommand(program: Command): void {
  program
    .command('keygen')
    .description('make a secret key file for one member and print its public key')
    .argument('<file>', 'where the secret key goes; must not exist yet')
    .option('--json', 'print one JSON object')
    .action(async (file: string, { json }: { json?: boolean }) => {
      const seed = randomBytes(32);
      try {
        await writeFile(file, formatSecretKey(seed), { mode: 0o600, flag: 'wx' });
      } catch (cause) {
        const { code } = cause as NodeJS.ErrnoException;
        // Half a key, as a full disk leaves it, is of no use and in the way.
        if (code !== 'EEXIST') await rm(file, { force: true }).catch(() => {});
        throw new HeadwaterError('FILE', `key file: expected a new file, got ${code} for ${file}`, { cause });
      }
      const publicKey = formatPublicKey(keyPair(seed).publicKey);
      if (json) printJson({ file, publicKey });
      else print(publicKey);
    });
}
