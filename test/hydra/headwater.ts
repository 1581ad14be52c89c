/** Our gateway, as it is built. */
import { gatewayPath } from '../../tools/lab/hydra/gateway.js';
import type { EtcdKind } from './head.js';

export const HEADWATER: EtcdKind = {
  name: 'headwater',
  path: gatewayPath(),
  lacks: { compaction: 'messages are kept until all nodes hold them' },
};
