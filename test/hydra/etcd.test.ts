import { ETCD } from './etcd.js';
import { testHydra } from './suite.js';

testHydra(ETCD);
