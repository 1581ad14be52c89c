/** `headwater view`: a recorded run as a page, to be played, paused and wound. */
import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import { fired, note, print, printJson, unlessFired, untilInterrupted } from '../io.js';
import { type Address, httpAddress } from '../page/address.js';
import { message } from '../page/feed.js';
import { readRecording } from '../page/recording.js';
import { servePage } from '../page/server.js';

interface Options {
  page: Address;
  json?: boolean;
}

export function viewCommand(program: Command): void {
  program
    .command('view')
    .description('serve a page of a recorded run: of what --trace has written, of one member or of several')
    .argument('<trace...>', 'trace files; of several members of one group all are shown at once')
    .addOption(
      new Option('--page <address>', 'where to serve it, host:port')
        .argParser(httpAddress)
        .default({ host: '127.0.0.1', port: 0 }, '127.0.0.1 and any port that is free'),
    )
    .option('--json', 'print one JSON object')
    .action((files: string[], options: Options) =>
      untilInterrupted(async (signal) => {
        const { members, ticks, left } = await unlessFired(signal, readRecording(files));
        if (left > 0) note(`${left} lines of the trace could not be read, and are left out`);
        const title = files.map((file) => basename(file)).join(', ');
        const texts = [
          message('start', { title, kind: 'recording', members, events: [] }),
          ...ticks.map((tick) => message('tick', tick)),
          message('over', {}),
        ];
        const server = await servePage(options.page, (response) => {
          response.on('error', () => response.destroy());
          response.end(texts.join(''));
        });
        server.ref();
        if (options.json) printJson({ event: 'ready', page: server.url });
        else print(server.url);
        await fired(signal);
        await server.close();
      }),
    );
}
