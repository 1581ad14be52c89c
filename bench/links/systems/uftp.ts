/**
 * uftp (Debian's package), by multicast: what is lost is asked for again (NAK), no FEC. At a fixed rate, nine tenths of the link's, which its user
 * has to know; or with TFMCC (RFC 4654).
 */
import { join } from 'node:path';
import { listening } from '../ground.js';
import { fixedRateKbit, needs, receiversOf, type System } from './system.js';

export const fixed = uftp('fixed', (rate) => ['-R', rate === undefined ? '-1' : String(rate)]);
export const tfmcc = uftp('tfmcc', (rate) => ['-C', rate === undefined ? 'tfmcc' : `tfmcc:max=${rate}`]);

function uftp(mode: string, control: (rateKbit: number | undefined) => string[]): System {
  return {
    name: 'uftp',
    mode,
    unavailable: needs('uftp', 'uftp'),
    async prepare(ground) {
      const { lab, case: kase } = ground;
      const nodes = receiversOf(kase);
      const daemons = nodes.map((node) =>
        ground.start(node, 'uftpd', [
          ...['-d', '-t', '-D', ground.folder(node), '-I', lab.address(node), '-U', uid(node)],
          ...['-B', SOCKET_BYTES, '-F', '@LOG'],
        ]),
      );
      await Promise.all(daemons.map((daemon) => listening(daemon, UFTP_PORT)));
      return {
        async send() {
          const sender = ground.start(0, 'uftp', [
            ...control(fixedRateKbit(kase)),
            ...['-b', BLOCK_BYTES, '-B', SOCKET_BYTES, '-I', lab.address(0), '-U', uid(0)],
            ...['-H', nodes.map(uid).join(','), '-D', ground.fileName, ground.file],
          ]);
          const copied = daemons.map((daemon) =>
            daemon.until((line) => (/RESULT;.*;copied/.test(line) ? true : undefined)),
          );
          await Promise.race([Promise.all(copied), sender.failed]);
        },
        result: (receiver) => join(ground.folder(receiver), ground.fileName),
      };
    },
  };
}

function uid(node: number): string {
  return `0x${(node + 1).toString(16).padStart(8, '0')}`;
}

const UFTP_PORT = 1044;
/** What fills 1500 bytes with uftp's own headers, UDP's and IP's. */
const BLOCK_BYTES = '1400';
const SOCKET_BYTES = '4194304';
