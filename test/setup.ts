/** Of every test file: property tests begin with the seed in HEADWATER_TEST_SEED, where there is one, and with a new one else. */
import fc from 'fast-check';

const seed = process.env.HEADWATER_TEST_SEED;
if (seed) fc.configureGlobal({ seed: Number(seed) });
