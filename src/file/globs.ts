/** Which files and folders are left out of what is sent. In: globs. Out: whether a path is one of theirs. */
import picomatch from 'picomatch';
import { invalid } from '../errors.js';

/**
 * A glob without a slash is compared with each name, one with a slash with the path from the outermost name on; in it `*` stands for
 * what is in one name, `**` for any folders. What is in a folder that is left out is left out, too. Throws INVALID_ARGUMENT.
 */
export function leavesOut(globs: readonly string[]): (path: string) => boolean {
  const tests = globs.map((glob) => {
    if (glob === '' || glob.startsWith('/') || glob.startsWith('./'))
      throw invalid('exclude', 'globs such as *.tmp or photos/raw/**, from the outermost name on', glob);
    const matches = picomatch(glob.replace(/\/$/, ''), { dot: true });
    return glob.replace(/\/$/, '').includes('/') ? matches : (path: string) => matches(nameOf(path));
  });
  return (path) => tests.some((test) => test(path));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
