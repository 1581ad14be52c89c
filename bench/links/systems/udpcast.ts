/**
 * udpcast (Debian's package) with Reed-Solomon parity over slices of 128 packets, by multicast at nine tenths of the link's rate. Its receivers end
 * once they have all.
 */
import { join } from 'node:path';
import { listening } from '../ground.js';
import { fixedRateKbit, needs, receiversOf, type System } from './system.js';

export const fec: System = {
  name: 'udpcast',
  mode: 'fec',
  unavailable: needs('udp-sender', 'udpcast'),
  async prepare(ground) {
    const { case: kase } = ground;
    const rate = fixedRateKbit(kase);
    const common = ['--interface', 'eth0', '--mcast-rdv-address', '239.7.7.7', '--nokbd', '--ttl', '1'];
    const result = (node: number) => join(ground.folder(node), ground.fileName);
    const receivers = receiversOf(kase).map((node) =>
      ground.start(node, 'udp-receiver', ['--file', result(node), '--exit-wait', '0', ...common]),
    );
    await Promise.all(receivers.map((receiver) => listening(receiver, UDPCAST_PORT)));
    return {
      async send() {
        const sender = ground.start(0, 'udp-sender', [
          ...['--file', ground.file, '--min-receivers', String(kase.receivers), '--fec', '8x16/128'],
          ...(rate === undefined ? [] : ['--max-bitrate', `${rate}k`]),
          ...['--mcast-data-address', '239.7.7.8', ...common],
        ]);
        await Promise.race([Promise.all(receivers.map(({ ended }) => ended)), sender.failed]);
      },
      result,
    };
  },
};

const UDPCAST_PORT = 9000;
