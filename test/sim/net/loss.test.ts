/** Loss models: long-run loss and burst lengths against the documented formulae, edges, and refused options. */
import { expect, test } from 'vitest';
import { Rng } from '../../../src/core/rng.js';
import { gilbertElliott, iid, type LossModel, meanLossOf, startLoss } from '../../../src/sim/net/loss.js';
import { withSeeds } from '../../util/seed.js';

const RUN = 300_000;

test.each([0, 0.01, 0.1, 0.5, 1])('iid(%f): mean loss, and bursts of 1 / (1 - p)', (p) =>
  withSeeds(2, (seed) => {
    const { loss, burst } = measure(iid(p), seed);
    // Five standard deviations of a binomial.
    expect(Math.abs(loss - p)).toBeLessThanOrEqual(5 * Math.sqrt((p * (1 - p)) / RUN));
    if (p > 0 && p < 1) expect(burst * (1 - p)).toBeCloseTo(1, 1);
  }),
);

test.each([
  { meanLoss: 0.01, meanBurst: 3 },
  { meanLoss: 0.1, meanBurst: 5 },
  { meanLoss: 0.3, meanBurst: 20 },
  { meanLoss: 0.5, meanBurst: 1 },
  { meanLoss: 0.9, meanBurst: 10 },
])('gilbertElliott: loss $meanLoss in bursts of $meanBurst', (options) =>
  withSeeds(2, (seed) => {
    const { meanLoss, meanBurst } = options;
    const model = gilbertElliott(options);
    expect(meanLossOf(model)).toBeCloseTo(meanLoss, 12);
    const { loss, burst, bursts } = measure(model, seed);
    // A geometric burst's standard deviation is below its mean; successive cycles vary the loss by no more than that.
    expect(Math.abs(burst - meanBurst)).toBeLessThanOrEqual((5 * meanBurst) / Math.sqrt(bursts));
    expect(Math.abs(loss - meanLoss)).toBeLessThanOrEqual((8 * meanLoss) / Math.sqrt(bursts) + 1e-4);
  }),
);

test('gilbertElliott: partial loss in either state still gives the mean asked for', () =>
  withSeeds(2, (seed) => {
    const model = gilbertElliott({ meanLoss: 0.1, meanBurst: 10, lossGood: 0.02, lossBad: 0.6 });
    expect(meanLossOf(model)).toBeCloseTo(0.1, 12);
    expect(Math.abs(measure(model, seed).loss - 0.1)).toBeLessThan(0.01);
  }));

test('gilbertElliott: never and always are models too', () => {
  expect(measure(gilbertElliott({ meanLoss: 0, meanBurst: 4 }), 'none').loss).toBe(0);
  expect(measure(gilbertElliott({ meanLoss: 1, meanBurst: 4 }), 'all').loss).toBe(1);
});

test('links that share a model do not share its state', () =>
  withSeeds(1, (seed) => {
    const model = gilbertElliott({ meanLoss: 0.3, meanBurst: 8 });
    const alone = sequence(startLoss(model), new Rng(seed));
    const other = startLoss(model);
    const otherRng = new Rng('other');
    const first = startLoss(model);
    const rng = new Rng(seed);
    const interleaved: boolean[] = [];
    for (let i = 0; i < 1_000; i++) {
      other.lost(otherRng);
      interleaved.push(first.lost(rng));
    }
    expect(interleaved).toEqual(alone);
  }));

test.each([
  ['a probability above 1', () => iid(1.1)],
  ['a negative probability', () => iid(-0.1)],
  ['NaN', () => iid(Number.NaN)],
  ['a burst below one datagram', () => gilbertElliott({ meanLoss: 0.1, meanBurst: 0.5 })],
  ['a burst too short for the loss', () => gilbertElliott({ meanLoss: 0.9, meanBurst: 2 })],
  [
    'a mean outside the losses of the states',
    () => gilbertElliott({ meanLoss: 0.7, meanBurst: 9, lossBad: 0.5 }),
  ],
  [
    'states the wrong way round',
    () => gilbertElliott({ meanLoss: 0.1, meanBurst: 9, lossGood: 0.2, lossBad: 0.1 }),
  ],
])('refuses %s', (_what, make) => {
  expect(make).toThrowError(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
});

function sequence(process: ReturnType<typeof startLoss>, rng: Rng): boolean[] {
  return Array.from({ length: 1_000 }, () => process.lost(rng));
}

function measure(model: LossModel, seed: string): { loss: number; burst: number; bursts: number } {
  const rng = new Rng(seed);
  const process = startLoss(model);
  let lost = 0;
  let bursts = 0;
  let before = false;
  for (let i = 0; i < RUN; i++) {
    const now = process.lost(rng);
    if (now) lost++;
    if (now && !before) bursts++;
    before = now;
  }
  return { loss: lost / RUN, burst: bursts === 0 ? 0 : lost / bursts, bursts: Math.max(1, bursts) };
}
