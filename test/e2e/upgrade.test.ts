/**
 * A rolling upgrade: processes of a build without a feature are replaced one by one by those of a build that has it, while
 * all of them send. Nothing is lost, nothing comes twice, and the feature is used between those that have it only.
 */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { type Cli, cleanup, linesOf, program, tempFolder } from './cli.js';
import { createLab } from './lab.js';

afterEach(cleanup);

const MEMBER = 'test/e2e/member.mjs';
const NAMES = ['anna', 'ben', 'cleo', 'dora'];
const BUILDS = {
  old: { versions: [2, 3], features: [] },
  young: { versions: [3, 4], features: ['path-size'] },
};

type Build = keyof typeof BUILDS;
interface Said {
  delivered?: string;
  peers?: Record<string, { protocol?: number; features: string[]; reachable: boolean }>;
}

test('a group of four is upgraded member by member while messages flow', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, NAMES);
  const builds: Record<string, Build> = {};
  const members: Record<string, Cli> = {};
  const outputs: Record<string, Cli[]> = Object.fromEntries(NAMES.map((name) => [name, []]));
  const start = (name: string, build: Build) => {
    const { versions, features } = BUILDS[build];
    const files = [lab.groupFile, join(folder, `${name}.key`), join(folder, `${name}.store`)];
    builds[name] = build;
    members[name] = program(MEMBER, [...files, JSON.stringify({ versions, features })]);
    outputs[name].push(members[name]);
  };
  const said = (cli: Cli): Said[] =>
    linesOf(cli.stdout.slice(0, cli.stdout.lastIndexOf('\n') + 1)).map((line) => JSON.parse(line));
  /** What each has delivered, over all its processes. */
  const deliveredAt = (name: string) =>
    outputs[name].flatMap((cli) => said(cli).flatMap(({ delivered }) => delivered ?? []));
  const spoken = (name: string) => said(members[name]).findLast(({ peers }) => peers)?.peers ?? {};
  const expected = (name: string) =>
    Object.fromEntries(
      NAMES.filter((other) => other !== name).map((other) => {
        const both = builds[name] === 'young' && builds[other] === 'young';
        return [other, { protocol: both ? 4 : 3, features: both ? ['path-size'] : [], reachable: true }];
      }),
    );
  const sent: string[] = [];
  const say = (round: string) => {
    for (const name of NAMES)
      for (let i = 0; i < 5; i++) {
        const text = `${name} ${round} ${i}`;
        members[name].say(text);
        sent.push(text);
      }
  };

  for (const name of NAMES) start(name, 'old');
  say('before');
  for (const name of NAMES) {
    say(`while ${name} is old`);
    // It makes durable what it was given, and ends.
    members[name].say('.');
    expect(await members[name].exit()).toBe(0);
    start(name, 'young');
    say(`while ${name} is young`);
    for (const each of NAMES)
      await members[each].until(`${each} to speak with the others as it should`, () =>
        isDeepStrictEqual(spoken(each), expected(each)),
      );
  }
  for (const name of NAMES)
    await members[name].until('all messages', () => deliveredAt(name).length >= sent.length);

  for (const name of NAMES) expect(deliveredAt(name).toSorted()).toEqual(sent.toSorted());
  for (const name of NAMES)
    for (const origin of NAMES)
      expect(deliveredAt(name).filter((text) => text.startsWith(origin))).toEqual(
        sent.filter((text) => text.startsWith(origin)),
      );
});

test('processes of builds without a version in common say so, both with both ranges', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben']);
  const member = (name: string, versions: number[]) =>
    program(MEMBER, [
      lab.groupFile,
      join(folder, `${name}.key`),
      join(folder, `${name}.store`),
      JSON.stringify({ versions, features: [] }),
    ]);
  const [anna, ben] = [member('anna', [2, 3]), member('ben', [4, 5])];
  await anna.until('the difference', ({ stderr }) =>
    stderr.includes('ben seems to speak versions 4 to 5 of the protocol, this member versions 2 to 3'),
  );
  await ben.until('the difference', ({ stderr }) =>
    stderr.includes('anna seems to speak versions 2 to 3 of the protocol, this member versions 4 to 5'),
  );
});
