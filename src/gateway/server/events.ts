/** What the member below and the exchange of keys tell, as lines for an operator. */
import type { NodeEvent } from '../../node/node.js';
import type { WarningCode } from '../../node/status/warnings.js';
import type { Cluster } from '../cluster/cluster.js';
import type { TrustEvent } from '../cluster/trust.js';
import type { Logger } from './logger.js';

/** Tells what the member below does. @param isWaiting messages wait for the first client, which is no fault of who takes them */
export function teller(logger: Logger, isWaiting: () => boolean): (event: NodeEvent) => void {
  let isUnsaid = false;
  return (event) => {
    if (event.type === 'warning' && event.code === 'slow-consumer') {
      if (event.state !== 'over' && isWaiting()) isUnsaid = true;
      if (isUnsaid) {
        isUnsaid = event.state !== 'over';
        return;
      }
    }
    tell(logger, event);
  };
}

function tell(logger: Logger, event: NodeEvent): void {
  switch (event.type) {
    case 'peer':
      return logger.log('info', event.reachable ? 'member is within reach' : 'member is out of reach', {
        member: event.member.name,
      });
    // Keys that are not known yet, and other clusters, are told by the exchange of keys.
    case 'foreign-group':
    case 'other-version':
    case 'consumer-error':
      return;
    case 'warning':
      if (SAID_ELSEWHERE.includes(event.code)) return;
      return logger.log(event.state === 'over' ? 'info' : 'warn', `${event.code}: ${event.text}`, {
        state: event.state,
      });
    case 'address':
      return logger.rarely(
        MINUTE_MS,
        'problem' in event ? 'warn' : 'info',
        `address of ${event.member.name}`,
        {
          ...('problem' in event ? { problem: event.problem } : { address: event.address }),
          locator: event.locator,
        },
      );
    case 'store-full':
      return logger.log('error', event.full ? 'no room for messages' : 'there is room for messages again');
    case 'store-error':
      return logger.rarely(MINUTE_MS, 'error', 'the store could not be written', {
        error: event.error.message,
      });
    default:
      return logger.rarely(MINUTE_MS, 'warn', event.type, fieldsOf(event));
  }
}

function fieldsOf(event: Exclude<NodeEvent, { type: 'peer' }>): Record<string, unknown> {
  const plain = Object.entries(event).flatMap(([name, value]): [string, unknown][] => {
    if (name === 'type' || name === 'evidence') return [];
    if (name === 'member') return [[name, (value as { name: string } | undefined)?.name]];
    if (Array.isArray(value)) return [[name, value.map((each) => Object(each).name)]];
    return [[name, value]];
  });
  return Object.fromEntries(plain);
}

/** Warnings that are events of their own, or about keys that are not known yet. */
const SAID_ELSEWHERE: readonly WarningCode[] = ['member-away', 'other-group', 'other-version', 'store-full'];

/** What the exchange of keys tells. @param path the file with the keys that are known */
export function tellTrust(logger: Logger, cluster: Cluster, path: string, event: TrustEvent): void {
  const { name } = cluster.members[event.member];
  switch (event.type) {
    case 'learned':
      return logger.log('info', 'learned the key of a member', { member: name, file: path });
    case 'other-key':
      return logger.rarely(MINUTE_MS, 'error', 'a member answers with another key than it is known by', {
        member: name,
        file: path,
      });
    case 'rejected':
      return logger.rarely(
        MINUTE_MS,
        'error',
        'a member knows this one by another key: bring back headwater.key, or let it go there (stop, delete the line of this member, start)',
        { member: name, file: path, so: event.by },
      );
    case 'other-cluster':
      // The text is etcd's: hydra-node looks for it.
      return logger.rarely(MISMATCH_MS, 'error', 'request sent was ignored due to cluster ID mismatch', {
        'remote-peer-name': name,
        'local-cluster': cluster.text,
      });
  }
}

const MINUTE_MS = 60_000;
/** Each is an event to whoever uses the node. */
const MISMATCH_MS = 10_000;
