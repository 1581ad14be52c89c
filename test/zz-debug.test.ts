import { test } from 'vitest';
import { run } from './sim/broadcast.test.js';
import { appendFileSync } from 'node:fs';
test('dbg', () => {
  const [from, to, prefix] = process.env.DBG!.split(',');
  for (let i = Number(from); i < Number(to); i++) {
    const seed = `${prefix ?? 'broadcast'}-${i}`;
    let line = '';
    const t = Date.now();
    try {
      const { cluster, scenario, finished } = run(seed);
      const { links, controller, maxDatagram, members, mute, crashes, partition, objects } = scenario;
      const once = cluster.members.every((m, i) => !cluster.isLive(i) || m.delivered.length === objects.length);
      if (!finished || !once) line = JSON.stringify({ seed, finished, once, links, controller, maxDatagram, members, mute, crashes, partition, objects: objects.map((o) => [o.origin, o.at, o.bytes.length]) });
      cluster.members.forEach((m, i) => {
        if (!line || !cluster.isLive(i)) return;
        const b = (m.endpoint as any).broadcaster;
        for (const r of b.ownRecords()) if (r.outgoing) line += `\n   ${i}: ${JSON.stringify(r.status())} blocks ${JSON.stringify(r.outgoing.blocks)} queues ${r.outgoing.queues.map((q: any[]) => q.length)} conf ${[...r.outgoing.confirmed]}`;
      });
      cluster.dispose();
    } catch (e) { line = `${seed} threw ${(e as Error).stack}`; }
    appendFileSync('/tmp/sweep.log', `${seed} ${Date.now() - t} ms ${line ? 'FAIL ' + line : 'ok'}\n`);
  }
}, 3_600_000);
