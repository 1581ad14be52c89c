import { HEADWATER } from './headwater.js';
import { testConformance } from './suite.js';

testConformance(HEADWATER);
