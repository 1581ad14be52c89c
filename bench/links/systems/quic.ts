/** QUIC: ngtcp2's client and server (Debian's ngtcp2-client, ngtcp2-server), the file over HTTP/3, one connection a receiver. */
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { listening } from '../ground.js';
import { needs, PORT, receiversOf, type System } from './system.js';

export const quicCubic = quic('cubic');
export const quicBbr = quic('bbr');

function quic(controller: string): System {
  return {
    name: 'quic',
    mode: controller,
    unavailable: () =>
      needs('gtlsclient', 'ngtcp2-client')() ??
      needs('gtlsserver', 'ngtcp2-server')() ??
      needs('openssl', 'openssl')(),
    async prepare(ground) {
      const { lab, case: kase } = ground;
      const [key, certificate] = ['key.pem', 'cert.pem'].map((name) => join(ground.folder(0), name));
      const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
      execFileSync('openssl', [...request, '-subj', '/CN=links', '-keyout', key, '-out', certificate], {
        stdio: 'ignore',
      });
      const common = ['--quiet', '--no-quic-dump', '--no-http-dump', '--cc', controller, '--timeout', '300s'];
      const server = ground.start(0, 'gtlsserver', [
        ...[...common, '--htdocs', dirname(ground.file), lab.address(0), String(PORT), key, certificate],
      ]);
      await listening(server, PORT);
      return {
        async send() {
          await Promise.all(
            receiversOf(kase).map(async (node) => {
              const client = ground.start(node, 'gtlsclient', [
                ...[...common, '--exit-on-all-streams-close', '--download', ground.folder(node)],
                ...WINDOWS,
                ...[lab.address(0), String(PORT), `https://links/${ground.fileName}`],
              ]);
              await Promise.race([client.ended, client.failed]);
            }),
          );
        },
        result: (receiver) => join(ground.folder(receiver), ground.fileName),
      };
    },
  };
}

/** As large as TCP's here. */
const WINDOWS = [
  '--max-data=64M',
  '--max-stream-data-bidi-local=64M',
  '--max-window=64M',
  '--max-stream-window=64M',
];
