/** Warnings: each once when it begins, rarely while it lasts, once when it is over. */
import { expect, test } from 'vitest';
import { type Condition, type WarningCode, Warnings } from '../../../src/node/status/warnings.js';
import { paperGroup } from '../../network/members.js';

const [ann, ben] = paperGroup(2).members;

/** An operator who hears warnings, and a clock. */
class Desk {
  readonly told: string[] = [];
  readonly warnings = new Warnings(({ code, state, member }) =>
    this.told.push([code, member?.name, state].filter(Boolean).join(' ')),
  );
  now = 0;

  /** So many seconds, in each of which these hold. */
  pass(seconds: number, ...conditions: Condition[]): void {
    for (let i = 0; i < seconds; i++) {
      this.now += 1000;
      this.warnings.update(this.now, conditions);
    }
  }
}

const condition = (code: WarningCode, after = 0): Condition => ({ code, text: 'it is so', after });

test('what lasts is said once, and again after ten minutes', () => {
  const desk = new Desk();
  desk.pass(3600, condition('no-quorum'));
  expect(desk.told).toEqual(['no-quorum begun', ...Array(5).fill('no-quorum lasting')]);
});

test('what is past is said to be over, with a few seconds of patience', () => {
  const desk = new Desk();
  desk.pass(1, condition('slow-disk'));
  desk.pass(5);
  expect(desk.told).toEqual(['slow-disk begun']);
  desk.pass(1);
  expect(desk.told).toEqual(['slow-disk begun', 'slow-disk over']);
});

test('what comes and goes may say for how long it has to be gone', () => {
  const desk = new Desk();
  for (let i = 0; i < 5; i++) {
    desk.pass(1, { ...condition('busy-host'), until: 30 });
    desk.pass(20);
  }
  expect(desk.told).toEqual(['busy-host begun']);
  desk.pass(11);
  expect(desk.told).toEqual(['busy-host begun', 'busy-host over']);
});

test('what has to hold for a while is not said before, and begins anew after a gap', () => {
  const desk = new Desk();
  desk.pass(4, condition('no-quorum', 5));
  desk.pass(3);
  desk.pass(5, condition('no-quorum', 5));
  expect(desk.told).toEqual([]);
  desk.pass(1, condition('no-quorum', 5));
  expect(desk.told).toEqual(['no-quorum begun']);
});

test('of each member on its own', () => {
  const desk = new Desk();
  desk.pass(1, { ...condition('lossy-path'), member: ann }, { ...condition('lossy-path'), member: ben });
  desk.pass(6, { ...condition('lossy-path'), member: ben });
  expect(desk.told).toEqual([
    `lossy-path ${ann.name} begun`,
    `lossy-path ${ben.name} begun`,
    `lossy-path ${ann.name} over`,
  ]);
});

test('a hint holds for a minute and a half, and each further one from then on', () => {
  const desk = new Desk();
  desk.warnings.hint(0, condition('other-group'));
  desk.pass(60);
  desk.warnings.hint(desk.now, condition('other-group'));
  desk.pass(90);
  expect(desk.told).toEqual(['other-group begun']);
  desk.pass(1);
  expect(desk.told).toEqual(['other-group begun', 'other-group over']);
});

test('what is known to be over is said at once', () => {
  const desk = new Desk();
  desk.warnings.hint(0, { ...condition('unheard'), member: ben });
  expect(desk.warnings.isHeld('unheard', ben)).toBe(true);
  desk.warnings.end(0, 'unheard', ben);
  expect(desk.warnings.isHeld('unheard', ben)).toBe(false);
  expect(desk.told).toEqual([`unheard ${ben.name} begun`, `unheard ${ben.name} over`]);
});

test('the list has what is wrong now, and since when', () => {
  const desk = new Desk();
  desk.pass(2, condition('store-full'), condition('no-quorum', 60));
  expect(desk.warnings.list()).toEqual([
    { code: 'store-full', member: null, text: 'it is so', since: new Date(1000).toISOString() },
  ]);
});

test('what stops most comes first in the list, and what is passing last', () => {
  const desk = new Desk();
  desk.pass(1, condition('lossy-path'), condition('slow-disk'));
  desk.warnings.hint(desk.now, condition('other-group'));
  desk.pass(1, condition('lossy-path'), condition('no-quorum'));
  expect(desk.warnings.list().map(({ code }) => code)).toEqual([
    'no-quorum',
    'other-group',
    'lossy-path',
    'slow-disk',
  ]);
});
