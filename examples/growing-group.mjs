/**
 * A group that grows from one member to five while it runs, by codes alone: who joins sends its public key under a code, and gets the group
 * file, in which the operator has added it, under another one. Only Anna's machine can be called. At the end each says hello to all.
 *
 *   node examples/growing-group.mjs [HOST:PORT [HOST:PORT]]     Anna's address, and where codes are answered; it takes a minute
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, execPath, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';

const [address = '127.0.0.1:7861', codesAt = '127.0.0.1:7871'] = argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'headwater-growing-'));
const inFolder = (...names) => join(folder, ...names);
const command = fileURLToPath(new URL('cli/main.js', import.meta.resolve('headwater')));
const print = (line) => stdout.write(`${line}\n`);
const pause = () => new Promise((done) => setTimeout(done, 100));

/** Runs a command: what it has printed so far, and a promise of all of it. */
function run(...args) {
  const child = spawn(execPath, [command, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const all = { child, out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => {
    all.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    all.err += text;
  });
  all.end = new Promise((done, fail) => {
    child.once('close', (code) =>
      code === 0 ? done(all.out) : fail(new Error(`headwater ${args.join(' ')}: exit ${code}\n${all.err}`)),
    );
  });
  return all;
}

/** From one machine to another, by a code that is said on the telephone. */
async function carry(file, into) {
  const sender = run('send', file, '--at', codesAt, '--expect', '1');
  while (!sender.out.includes('\n')) await Promise.race([pause(), sender.end]);
  const [code] = sender.out.split('\n');
  await Promise.all([run('receive', code, '--out', into, '--overwrite').end, sender.end]);
}

const keygen = async (name) => (await run('keygen', inFolder(`${name}.key`)).end).trim();
const members = [];
function start(name, group) {
  const [key, store] = [inFolder(`${name}.key`), inFolder(`${name}.store`)];
  members.push({ name, store, node: run('node', '-g', group, '-k', key, '--store', store) });
}

/** What the operator does with a key that has come: the group file with the member in it. */
async function add(name, publicKey, group) {
  const { store } = members[0];
  const proposed = inFolder('proposed.json');
  // Refused while the change before is not over.
  for (let tries = 0; ; tries++) {
    try {
      writeFileSync(
        proposed,
        await run('group', 'propose', '-g', group, '--add', `${name}=${publicKey}`, '--store', store).end,
      );
      break;
    } catch (error) {
      if (tries === 30) throw error;
      await pause();
    }
  }
  const next = inFolder(`with-${name}.json`);
  writeFileSync(next, await run('group', 'sign', '-g', proposed, '-k', inFolder('operator.key')).end);
  await run('group', 'apply', '-g', next, '--store', store).end;
  return next;
}

try {
  const operator = await keygen('operator');
  const anna = `anna=${await keygen('anna')}@${address}`;
  let group = inFolder('anna.json');
  writeFileSync(group, await run('group', 'begin', anna, '-n', 'growing', '--operator', operator).end);
  start('anna', group);
  for (const name of ['ben', 'cleo', 'dora', 'emil']) {
    const own = inFolder(`${name}.pub`);
    writeFileSync(own, await keygen(name));
    await carry(own, inFolder('operator'));
    group = await add(name, readFileSync(inFolder('operator', `${name}.pub`), 'utf8'), group);
    await carry(group, inFolder(name));
    start(name, inFolder(name, `with-${name}.json`));
    print(`${name} has joined: ${members.length} members`);
  }
  for (const { name, node } of members) node.child.stdin.write(`hello from ${name}\n`);
  const hasAll = ({ node }) => members.every(({ name }) => node.out.includes(`hello from ${name}\n`));
  while (!members.every(hasAll)) await Promise.race([pause(), ...members.map(({ node }) => node.end)]);
  print('each has heard all five');
} finally {
  for (const { node } of members) node.child.kill('SIGTERM');
  await Promise.allSettled(members.map(({ node }) => node.end));
  rmSync(folder, { recursive: true, force: true });
}
