/** A progress bar on stderr where that is a terminal; nothing where it is a pipe. */
import { SingleBar } from 'cli-progress';

export interface Progress {
  done: number;
  total: number;
  unit: string;
}

/** Shows what `poll` says, several times a second, until `stop`. */
export function createProgress(mode: 'bar' | 'silent', poll: () => Progress | undefined): { stop(): void } {
  if (mode === 'silent' || !process.stderr.isTTY) return { stop() {} };
  let bar: SingleBar | undefined;
  const update = () => {
    const progress = poll();
    if (!progress) {
      bar?.stop();
      bar = undefined;
      return;
    }
    if (!bar) {
      bar = new SingleBar({
        format: '[{bar}] {value}/{total} {unit}',
        stream: process.stderr,
        clearOnComplete: true,
        // With what is said behind it a line fits into 80 columns.
        barsize: 16,
      });
      bar.start(progress.total, progress.done, { unit: progress.unit });
    }
    bar.update(progress.done, { unit: progress.unit });
  };
  const timer = setInterval(update, 100);
  return {
    stop() {
      clearInterval(timer);
      update();
      bar?.stop();
    },
  };
}
