// The main script of the one-file `etcd`: puts what it carries, this package with what it needs, into a folder of the user's, once for
// each build, and runs it from there. Native modules can only be loaded from files.
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const { homedir, tmpdir } = require('node:os');
const { dirname, join } = require('node:path');
const { getAsset } = require('node:sea');
const { gunzipSync } = require('node:zlib');

const packed = Buffer.from(getAsset('files'));
const id = createHash('sha256').update(packed).digest('hex').slice(0, 16);
createRequire(join(folder(), 'start.cjs'))('./start.cjs');

/** Where the files are: whole, since it is only given its name when it is, and nobody else may write there. */
function folder() {
  const { HEADWATER_CACHE, XDG_CACHE_HOME, HOME } = process.env;
  const caches = [
    HEADWATER_CACHE,
    XDG_CACHE_HOME && join(XDG_CACHE_HOME, 'headwater'),
    HOME && join(homedir(), '.cache', 'headwater'),
  ];
  for (const cache of caches) {
    if (!cache) continue;
    try {
      const found = join(cache, `etcd-${id}`);
      if (!isOurs(found)) unpackInto(cache, found);
      return found;
    } catch (error) {
      // Another one may do; the one that was asked for must.
      if (cache === HEADWATER_CACHE)
        fail(`HEADWATER_CACHE: expected a folder to write to, got ${error.message}`);
    }
  }
  // One that others can write to is used once.
  const once = fs.mkdtempSync(join(tmpdir(), 'headwater-etcd-'));
  process.once('exit', () => fs.rmSync(once, { recursive: true, force: true }));
  unpack(once);
  return once;
}

function isOurs(path) {
  const info = fs.statSync(path, { throwIfNoEntry: false });
  return info?.isDirectory() === true && info.uid === process.getuid() && (info.mode & 0o022) === 0;
}

function unpackInto(cache, to) {
  makeFolder(cache);
  const part = fs.mkdtempSync(join(cache, 'part-'));
  try {
    unpack(part);
    fs.renameSync(part, to);
  } catch (error) {
    fs.rmSync(part, { recursive: true, force: true });
    // Another process was faster.
    if (!isOurs(to)) throw error;
  }
}

/** Node's own way (`recursive`) never ends where a file system takes no folders but does not say so, such as /proc. */
function makeFolder(path) {
  if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  try {
    fs.mkdirSync(path, 0o700);
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
}

/** The length of the list of names and sizes (4 bytes), the list, the files one after the other. */
function unpack(to) {
  const bytes = gunzipSync(packed);
  let at = 4 + bytes.readUInt32BE(0);
  for (const [path, size] of JSON.parse(bytes.toString('utf8', 4, at))) {
    const file = join(to, path);
    fs.mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    fs.writeFileSync(file, bytes.subarray(at, at + size), { mode: 0o600 });
    at += size;
  }
}

function fail(message) {
  process.stderr.write(`${JSON.stringify({ level: 'fatal', msg: `etcd: ${message}` })}\n`);
  process.exit(1);
}
