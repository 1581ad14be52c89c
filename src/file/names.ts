/**
 * The names that a file may travel under: the same rule where it is sent and where it is saved, so that nothing is sent in
 * vain. A name is refused, never changed: what is saved is called as its sender calls it.
 */
import { hasHazards } from '../core/text.js';
import { HeadwaterError } from '../errors.js';

/** Throws FILE unless `name` is a plain file name that hides nothing and means nothing else to a shell or a system. */
export function requireFileName(name: string): void {
  throwFault(name, startFault(name) ?? faultOf(name));
}

/** The same of what is in a folder that is sent, `folder` by its path there: there a name may start as it likes. */
export function requireInnerName(name: string, folder: string): void {
  throwFault(name, faultOf(name), folder);
}

function throwFault(name: string, fault: string | undefined, folder?: string): void {
  if (fault === undefined) return;
  const at = folder === undefined ? '' : ` in ${JSON.stringify(folder)}`;
  throw new HeadwaterError('FILE', `file name: expected ${fault}, got ${JSON.stringify(name)}${at}`);
}

/** What is expected of the name that it is not, since it stands among others of its user's; undefined if nothing. */
function startFault(name: string): string | undefined {
  if (name.startsWith('.')) return 'one that does not start with a dot (hidden)';
  if (name.startsWith('-')) return 'one that does not start with a dash (an option to commands)';
  if (/\.part$/i.test(name)) return 'one that does not end with .part (unfinished files)';
  return undefined;
}

/** What is expected of any name. */
function faultOf(name: string): string | undefined {
  if (name === '' || /[/\\]/.test(name)) return 'a plain one, without / and \\';
  if (hasHazards(name)) return 'one without control and invisible characters';
  if (/[. ]$|^ /.test(name)) return 'one that does not end with a dot or start or end with a space';
  if (DEVICES.test(name)) return 'one that is no device on Windows';
  if (process.platform === 'win32' && /[<>:"|?*]/.test(name)) return 'one that Windows takes';
  if (new TextEncoder().encode(name).length > MAX_NAME_BYTES) return `one of at most ${MAX_NAME_BYTES} bytes`;
  return undefined;
}

/** With any extension: "Naming Files, Paths, and Namespaces", Microsoft. */
const DEVICES = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)( *\.|$)/i;
/** What file systems of today take. */
const MAX_NAME_BYTES = 255;
