/** The native libsodium, where it loads: signatures, key agreement and AEAD each ask here for the functions they need. */
import { createRequire } from 'node:module';

export function loadSodium(): unknown {
  const require = createRequire(import.meta.url);
  return require('sodium-native');
}

/** The module that `load` gives, or undefined where it does not load or lacks one of `functions`. */
export function trySodium<Sodium>(
  load: () => unknown,
  functions: readonly (keyof Sodium)[],
): Sodium | undefined {
  try {
    const sodium = load() as Sodium;
    return functions.every((name) => typeof sodium[name] === 'function') ? sodium : undefined;
  } catch {
    return undefined;
  }
}
