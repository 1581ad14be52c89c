#!/usr/bin/env node
/** The executable named `etcd`, for those who look for one: `headwater etcd` is the same. */
import { createRequire } from 'node:module';
import { runGateway } from './commands/etcd.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

await runGateway(process.argv.slice(2), version);
