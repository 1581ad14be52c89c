/** Open files of a tree, a few at a time: large ones are used again and again, small ones once. */
import type { FileHandle } from 'node:fs/promises';

interface Open {
  file: Promise<FileHandle>;
  users: number;
}

export class Handles {
  private readonly opener: (entry: number) => Promise<FileHandle>;
  /** By entry, the least recently used first. */
  private readonly all = new Map<number, Open>();

  /** @param opener opens the file of an entry */
  constructor(opener: (entry: number) => Promise<FileHandle>) {
    this.opener = opener;
  }

  async use<T>(entry: number, act: (file: FileHandle) => Promise<T>): Promise<T> {
    const open = this.all.get(entry) ?? { file: this.opener(entry), users: 0 };
    this.all.delete(entry);
    this.all.set(entry, open);
    open.users++;
    try {
      return await act(await open.file);
    } catch (error) {
      // One that could not be opened may be another time.
      if (this.all.get(entry) === open) this.all.delete(entry);
      throw error;
    } finally {
      open.users--;
      if (this.all.get(entry) !== open && open.users === 0) await closeOne(open);
      else await this.trim();
    }
  }

  /** Those that are open. */
  async each(act: (file: FileHandle) => Promise<void>): Promise<void> {
    await Promise.all([...this.all.keys()].map((entry) => this.use(entry, act)));
  }

  /** Who uses one of these next has it opened anew. */
  async forget(entries: readonly number[]): Promise<void> {
    for (const entry of entries) {
      const open = this.all.get(entry);
      this.all.delete(entry);
      if (open?.users === 0) await closeOne(open);
    }
  }

  async close(): Promise<void> {
    const open = [...this.all.values()];
    this.all.clear();
    await Promise.all(open.map((each) => (each.users === 0 ? closeOne(each) : undefined)));
  }

  private async trim(): Promise<void> {
    for (const [entry, open] of this.all) {
      if (this.all.size <= MOST) return;
      if (open.users > 0) continue;
      this.all.delete(entry);
      await closeOne(open);
    }
  }
}

async function closeOne({ file }: Open): Promise<void> {
  await (await file.catch(() => undefined))?.close();
}

const MOST = 16;
