/**
 * The kernel's TCP, one stream a receiver (`tools/lab/stream.c`). Which controller sends is read back from the socket, before and after:
 * another one than asked for is a failure.
 */
import { join } from 'node:path';
import { compiled } from '../../../tools/lab/lab.js';
import type { Process } from '../ground.js';
import { PORT, receiversOf, type System } from './system.js';

export const cubic = tcp('cubic');
export const bbr = tcp('bbr');

/** Also for the test, which asks for one that there is not. */
export function tcp(controller: string): System {
  return {
    name: 'tcp',
    mode: controller,
    async prepare(ground) {
      const { lab } = ground;
      const stream = compiled('stream');
      const nodes = receiversOf(ground.case);
      const result = (node: number) => join(ground.folder(node), ground.fileName);
      const sinks = nodes.map((node) => ground.start(node, stream, ['sink', String(PORT), result(node)]));
      await Promise.all(sinks.map((sink) => sink.until((line) => line === 'ready' || undefined)));
      const received = () => Promise.all(sinks.map((sink) => sink.until((line) => told(line).received)));
      return {
        async send() {
          const sources = nodes.map((node) =>
            ground.start(0, stream, ['source', lab.address(node), String(PORT), controller, ground.file]),
          );
          await Promise.race([received(), ...sources.map((source) => fault(source, controller))]);
        },
        result,
        received: async () => Math.min(...(await received())),
      };
    },
  };
}

/** Rejects if another controller sends, or the source fails. */
async function fault(source: Process, controller: string): Promise<never> {
  const other = source
    .until((line) => {
      const used = told(line).controller;
      return used === controller ? undefined : used;
    })
    .catch(() => source.failed);
  throw new Error(`asked for ${controller}, got ${await other}`);
}

function told(line: string): { received?: number; controller?: string } {
  return line.startsWith('{') ? JSON.parse(line) : {};
}
