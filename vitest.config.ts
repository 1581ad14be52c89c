import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import type { Plugin } from 'vitest/config';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const ROOT = import.meta.dirname;
const SRC = join(ROOT, 'src/');
const DIST = join(ROOT, 'dist/');
const major = process.versions.node.split('.')[0];

/** Whether dist/ is what a build would make of src/ now: each module of it is there, and newer than its source. */
function isBuilt(): boolean {
  const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.startsWith(join('cli', 'page', 'client')),
  );
  return sources.every((file) => {
    const built = join(DIST, file.replace(/\.ts$/, '.js'));
    return existsSync(built) && statSync(built).mtimeMs > statSync(join(SRC, file)).mtimeMs;
  });
}

/**
 * Runs the code under test as it was built, not as vitest rewrites it: there each use of an import is a call of a getter, which
 * makes simulations a third slower. What mocks a module keeps the sources, and with them the helpers it imports: they get a
 * query of their own, by which their imports are known.
 */
function built(): Plugin {
  const mocking = new Map<string, boolean>();
  const keepsSources = (importer: string): boolean => {
    if (importer.endsWith('?sources')) return true;
    if (!mocking.has(importer)) mocking.set(importer, /\bvi\.mock\(/.test(readFileSync(importer, 'utf8')));
    return mocking.get(importer)!;
  };
  return {
    name: 'built',
    enforce: 'pre',
    resolveId(id, importer) {
      if (!importer?.startsWith(ROOT) || importer.startsWith(SRC) || !id.startsWith('.')) return undefined;
      const path = resolve(importer, '..', id);
      const isSource = path.startsWith(SRC);
      if (!keepsSources(importer)) return isSource ? DIST + path.slice(SRC.length) : undefined;
      const helper = path.replace(/\.js$/, '.ts');
      return !isSource && existsSync(helper) ? `${helper}?sources` : undefined;
    },
  };
}

/** What mostly waits, for processes of etcd, goes first: at the end one processor would wait with it. */
class WaitingFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const waits = ({ moduleId }: TestSpecification) => (moduleId.endsWith('/etcd.test.ts') ? 0 : 1);
    return (await super.sort(files)).sort((a, b) => waits(a) - waits(b));
  }
}

export default defineConfig({
  // While one watches, sources change.
  plugins: process.argv.includes('run') && isBuilt() ? [built()] : [],
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    sequence: { sequencer: WaitingFirst },
    // By itself vitest leaves one processor to itself, of two half.
    maxWorkers: availableParallelism(),
    testTimeout: 120_000,
    hookTimeout: 120_000,
    server: { deps: { external: [/\/dist\//] } },
    reporters: process.env.HEADWATER_TEST_REPORT
      ? ['default', ['json', { outputFile: `build/test-node${major}.json` }]]
      : ['default'],
  },
});
