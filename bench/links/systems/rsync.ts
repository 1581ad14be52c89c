/** rsync (Debian's package) into a daemon at each receiver, over the kernel's CUBIC: what people copy one file to some machines with. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listening } from '../ground.js';
import { needs, PORT, receiversOf, type System } from './system.js';

export const rsync: System = {
  name: 'rsync',
  mode: 'cubic',
  unavailable: needs('rsync', 'rsync'),
  async prepare(ground) {
    const { lab, case: kase } = ground;
    const nodes = receiversOf(kase);
    for (const node of nodes) {
      const config = `${ground.folder(node)}.conf`;
      const of = `path = ${ground.folder(node)}\nread only = false\nuse chroot = false\nuid = 0\ngid = 0\n`;
      await writeFile(config, `pid file = ${ground.folder(node)}.pid\n[files]\n${of}`);
      const daemon = ground.start(node, 'rsync', [
        '--daemon',
        '--no-detach',
        '--config',
        config,
        '--port',
        String(PORT),
      ]);
      await listening(daemon, PORT, 'tcp');
    }
    return {
      async send() {
        await Promise.all(
          nodes.map(async (node) => {
            const target = `rsync://${lab.address(node)}:${PORT}/files/${ground.fileName}`;
            const sender = ground.start(0, 'rsync', ['--whole-file', ground.file, target]);
            await Promise.race([sender.ended, sender.failed]);
          }),
        );
      },
      result: (receiver) => join(ground.folder(receiver), ground.fileName),
    };
  },
};
