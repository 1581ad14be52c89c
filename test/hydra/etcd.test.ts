import { testClients } from './clients.js';
import { ETCD } from './etcd.js';
import { testHydra } from './suite.js';

testHydra(ETCD);
testClients(ETCD);
