/** The process that is called `etcd`, by whichever name it is started. */
import { runEtcd } from '../gateway/server/run.js';
import { PROMETHEUS_CONTENT_TYPE } from '../node/status/prometheus.js';
import { controlPathOf, openControl } from './control.js';
import { serveHttp } from './http.js';

/** Runs it to its end, which is that of this process. */
export async function runGateway(argv: readonly string[], version: string): Promise<never> {
  const code = await runEtcd(argv, {
    env: process.env,
    version,
    pages: {
      metrics: (where, text, isWell) =>
        serveHttp('listen-metrics-urls', where, {
          '/metrics': { type: PROMETHEUS_CONTENT_TYPE, text },
          '/health': {
            type: 'application/json',
            text: () => JSON.stringify({ health: String(isWell()), reason: isWell() ? '' : 'no quorum' }),
          },
        }),
      control: (store, member) => openControl(controlPathOf(store), member),
    },
  });
  process.exit(code);
}
