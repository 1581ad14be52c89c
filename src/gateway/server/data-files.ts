/** Whether the files of a data directory are those that were opened: who deletes them takes nothing from the process that has them. */
import { statSync } from 'node:fs';

export class DataFiles {
  private readonly paths: readonly string[];
  private opened: (string | undefined)[];

  constructor(paths: readonly string[]) {
    this.paths = paths;
    this.opened = paths.map(nameOf);
  }

  /** They have been opened again. */
  note(): void {
    this.opened = this.paths.map(nameOf);
  }

  /** The first that is gone, or in whose place is another one. */
  missing(): string | undefined {
    return this.paths.find((path, i) => this.opened[i] !== undefined && nameOf(path) !== this.opened[i]);
  }
}

/** Of the file, whatever its path. */
function nameOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}/${ino}`;
  } catch {
    return undefined;
  }
}
