import { testClients } from './clients.js';
import { HEADWATER } from './headwater.js';
import { testHydra } from './suite.js';

testHydra(HEADWATER);
testClients(HEADWATER);
