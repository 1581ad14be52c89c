#!/usr/bin/env node
/** The executable named `etcd`, for those who look for one: `headwater etcd` is the same. */
import { createRequire } from 'node:module';
import { runEtcd } from '../gateway/server/run.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

process.exit(await runEtcd(process.argv.slice(2), process.env, version));
