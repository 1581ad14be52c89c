import { ETCD } from './etcd.js';
import { testConformance } from './suite.js';

testConformance(ETCD);
