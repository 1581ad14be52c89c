/** `headwater link`: a lossy network in userspace, for members that run anywhere on this machine. */
import { type Command, InvalidArgumentError } from 'commander';
import { MILLISECOND } from '../../core/time.js';
import { startEmulator } from '../../emulator/emulator.js';
import { parseLocator } from '../../group/locator.js';
import type { LinkOptions } from '../../sim/net/link.js';
import { gilbertElliott, iid } from '../../sim/net/loss.js';
import {
  fired,
  integer,
  note,
  number,
  print,
  printJson,
  tellJson,
  unlessFired,
  untilInterrupted,
} from '../io.js';

/** The options that say what links do, in the units of the command line. */
export interface LinkFlags {
  delay: number;
  jitter: number;
  loss: number;
  burst: number;
  linkRate: number;
  queue?: number;
  mtu: number;
  reorder: number;
  duplicate: number;
  corrupt: number;
  seed: string;
}

/** Adds them to a command, with `defaults` for loss (percent), delay (ms) and rate (Mbit/s; undefined: chosen by the command). */
export function linkFlags(
  command: Command,
  defaults: { loss: number; delay: number; linkRate: number | undefined },
): Command {
  return command
    .option('--loss <percent>', 'datagrams lost in each direction', number(0, 100), defaults.loss)
    .option('--burst <datagrams>', 'mean length of a loss burst; 1: independent losses', number(1, 1000), 1)
    .option('--delay <ms>', 'one-way delay', number(0, 60_000), defaults.delay)
    .option('--jitter <ms>', 'more delay, uniform from 0 to this; keeps the order', number(0, 60_000), 0)
    .option(
      '--link-rate <mbit>',
      'Mbit/s of each direction of each link; 0: no limit',
      number(0, 100_000),
      defaults.linkRate,
    )
    .option('--queue <bytes>', 'bytes that wait before a link of limited rate', integer(1500, 1e9))
    .option('--mtu <bytes>', 'largest IP packet that a link carries', integer(576, 65_535), ETHERNET_MTU)
    .option('--reorder <percent>', 'datagrams held back so that others pass', number(0, 100), 0)
    .option('--duplicate <percent>', 'datagrams that arrive twice', number(0, 100), 0)
    .option('--corrupt <percent>', 'datagrams that arrive with a flipped bit', number(0, 100), 0)
    .option('--seed <text>', 'decides every random choice of the links', '1');
}

export function linkOptionsOf(flags: LinkFlags): LinkOptions {
  const loss = flags.loss / 100;
  return {
    delay: Math.round(flags.delay * MILLISECOND),
    jitter: Math.round(flags.jitter * MILLISECOND),
    rate: flags.linkRate * 1e6,
    queue: flags.queue,
    overhead: IP_UDP_OVERHEAD,
    mtu: flags.mtu,
    loss:
      flags.burst > 1 && loss > 0 && loss < 1
        ? gilbertElliott({ meanLoss: loss, meanBurst: flags.burst })
        : iid(loss),
    reorder: flags.reorder / 100,
    duplicate: flags.duplicate / 100,
    corrupt: flags.corrupt / 100,
  };
}

export function linkCommand(program: Command): void {
  const command = program
    .command('link')
    .description('relay UDP between members through an emulated network, until interrupted')
    .argument(
      '<pair...>',
      'LISTEN=TARGET, one for each member: the address others use, and where it really is',
      parsePair,
    )
    .option('--json', 'print counters as JSON lines');
  linkFlags(command, { loss: 0, delay: 0, linkRate: 0 }).action(
    (pairs: Pair[], flags: LinkFlags & { json?: boolean }) =>
      untilInterrupted(async (signal) => {
        const starting = startEmulator({
          ports: pairs.map(({ listen, target }) => ({
            listen: parseLocator(listen),
            to: parseLocator(target),
          })),
          link: linkOptionsOf(flags),
          seed: flags.seed,
        });
        const emulator = await unlessFired(signal, starting, (late) => late.close());
        const addresses = emulator.addresses.map(({ host, port }) =>
          host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
        );
        if (flags.json) printJson({ event: 'ready', addresses });
        else for (const [i, address] of addresses.entries()) print(`${address} -> ${pairs[i].target}`);
        const timer = setInterval(() => {
          if (flags.json) tellJson({ event: 'status', ...emulator.counters() });
        }, 1000);
        await fired(signal);
        clearInterval(timer);
        const { total, unknownSource } = emulator.counters();
        if (flags.json) printJson({ event: 'end', ...emulator.counters() });
        else
          note(
            `${total.sent} datagrams: ${total.delivered} delivered, ${total.lost} lost, ${total.queueDropped} over the queue, ${total.tooLarge} too large, ` +
              `${total.duplicated} doubled, ${total.corrupted} corrupted, ${unknownSource} from strangers`,
          );
        await emulator.close();
      }),
  );
}

interface Pair {
  listen: string;
  target: string;
}

function parsePair(text: string, previous: Pair[] | undefined): Pair[] {
  const [listen, target, ...rest] = text.split('=');
  if (!listen || !target || rest.length > 0)
    throw new InvalidArgumentError(`expected LISTEN=TARGET, both host:port, got ${text}.`);
  return [...(previous ?? []), { listen, target }];
}

const ETHERNET_MTU = 1500;
/** IPv4 and UDP headers, counted against a link's rate. */
export const IP_UDP_OVERHEAD = 28;
