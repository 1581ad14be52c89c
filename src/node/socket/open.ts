/** Chooses how a socket is driven: in batches where this machine can, by Node's dgram everywhere else. */
import { HeadwaterError } from '../../errors.js';
import { openBatched } from './batched.js';
import type { Binding, DatagramSocket, OnDatagram, SocketStatus } from './datagram-socket.js';
import { type Kernel, loadKernel } from './kernel.js';
import { openPlain } from './plain.js';
import { type Ability, selfTest } from './self-test.js';

/** Binds a socket; throws an error with a `code` if the address cannot be bound. */
export function openSocket(
  binding: Binding,
  onDatagram: OnDatagram,
  mode: SocketStatus['mode'] | undefined = forced(),
): Promise<DatagramSocket> {
  if (mode === 'dgram') return openPlain(binding, onDatagram, `${VARIABLE}=dgram`);
  if (binding.host.includes('%'))
    return openPlain(binding, onDatagram, 'bound to an address of one interface');
  machine ??= examine();
  const { kernel, ability } = machine;
  return kernel && ability.segments !== undefined
    ? openBatched(kernel, binding, onDatagram, ability)
    : openPlain(binding, onDatagram, ability.reason ?? '');
}

function examine(): { kernel?: Kernel; ability: Ability } {
  const kernel = loadKernel();
  return typeof kernel === 'string' ? { ability: { reason: kernel } } : { kernel, ability: selfTest(kernel) };
}

/** What the operator wants. */
function forced(): 'dgram' | undefined {
  const value = process.env[VARIABLE] ?? '';
  if (value === 'dgram') return 'dgram';
  if (value === '') return undefined;
  throw new HeadwaterError(
    'INVALID_CONFIG',
    `${VARIABLE}: expected dgram or nothing, got ${JSON.stringify(value)}`,
  );
}

let machine: ReturnType<typeof examine> | undefined;
const VARIABLE = 'HEADWATER_SOCKET';
