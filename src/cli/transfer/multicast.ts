/** What `send` and `receive` have of multicast: their options, and what is said of it at the end. */
import { type Command, Option } from 'commander';
import { planOf, type SendFilesOptions, type SendReport } from '../../file/send.js';
import { formatBytes, integer, note } from '../io.js';

export interface MulticastFlags {
  mode: 'overlay' | 'multicast' | 'auto';
  multicastAddress?: string;
  multicastPort?: number;
  multicastTtl?: number;
  multicastInterface?: string;
}

const INTERFACE = 'name or address of the interface';

export function sendMulticastOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--mode <mode>',
        'how it goes out: by the overlay, where receivers relay; by IP multicast to whom that reaches; auto: so if it reaches two or more',
      )
        .choices(['overlay', 'multicast', 'auto'])
        .default('overlay'),
    )
    .option(
      '--multicast-address <address>',
      'group to send to (default: one in 239.255.0.0/16, or ff15::/16, that follows from what is sent)',
    )
    .option('--multicast-port <port>', 'UDP port of the group (default: 7810)', integer(1, 65_535))
    .option(
      '--multicast-ttl <n>',
      'networks that it may get to (default: 1, this one alone)',
      integer(1, 255),
    )
    .option('--multicast-interface <name>', `${INTERFACE} that it leaves by (default: that of --bind)`);
}

export function receiveMulticastOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--mode <mode>', 'overlay: listen to no multicast; auto: to what the sender says')
        .choices(['overlay', 'auto'])
        .default('auto'),
    )
    .option('--multicast-interface <name>', `${INTERFACE} to listen at (default: all)`);
}

/** The same for `sendFiles`. Throws INVALID_ARGUMENT. */
export function multicastOf(options: MulticastFlags): Pick<SendFilesOptions, 'mode' | 'multicast'> {
  const how: Pick<SendFilesOptions, 'mode' | 'multicast'> = {
    mode: options.mode,
    multicast: {
      address: options.multicastAddress,
      port: options.multicastPort,
      ttl: options.multicastTtl,
      interface: options.multicastInterface,
    },
  };
  planOf(how);
  return how;
}

/** Says whom multicast has reached, and who was left to the overlay and why. */
export function noteMulticast({ multicast }: SendReport): void {
  if (!multicast) return;
  const { address, port, bytes, reached, left } = multicast;
  note(`by multicast to ${address} port ${port}: ${formatBytes(bytes)}, to ${namesOf(reached)}`);
  for (const { member, reason } of left) note(`by the overlay to ${member.name}: ${reason}`);
}

export function multicastJson({ multicast }: SendReport) {
  if (!multicast) return {};
  const { reached, left, ...rest } = multicast;
  return {
    multicast: {
      ...rest,
      reached: reached.map(({ name }) => name),
      left: left.map(({ member, reason }) => ({ name: member.name, reason })),
    },
  };
}

function namesOf(members: readonly { name: string }[]): string {
  return members.length === 0
    ? 'nobody'
    : members
        .map(({ name }) => name)
        .sort()
        .join(', ');
}
