/** A socket as Node drives it: each datagram by a call and an event of its own. Runs everywhere. */
import dgram from 'node:dgram';
import type { Binding, DatagramSocket, OnDatagram } from './datagram-socket.js';
import { SOCKET_BUFFER } from './datagram-socket.js';

/** @param reason why it is this one */
export async function openPlain(
  binding: Binding,
  onDatagram: OnDatagram,
  reason: string,
): Promise<DatagramSocket> {
  const { host, port, isV6 } = binding;
  const socket = createSocket(isV6);
  await new Promise<void>((done, fail) => {
    socket.once('error', (cause) => socket.close(() => fail(cause)));
    socket.bind(port, host, () => done());
  });
  for (const grow of ['setRecvBufferSize', 'setSendBufferSize'] as const) {
    try {
      socket[grow](SOCKET_BUFFER);
    } catch {
      // The kernel's own limit stays in force; a smaller buffer costs datagrams under load, which are made up for.
    }
  }
  let sendErrors = 0;
  let refusal: string | undefined;
  const onSent = (error: NodeJS.ErrnoException | null) => {
    if (!error) return;
    sendErrors++;
    refusal = error.code;
  };
  socket.on('error', onSent);
  socket.on('message', ({ buffer, byteOffset, length }, source) =>
    // A plain array: a Buffer's `slice` is no copy, which code that holds on to a part of it counts on.
    onDatagram(source, new Uint8Array(buffer, byteOffset, length), undefined),
  );
  return {
    address: socket.address(),
    get sendErrors() {
      return sendErrors;
    },
    send({ host: target, port: targetPort }, bytes) {
      try {
        socket.send(bytes, targetPort, target, onSent);
      } catch (error) {
        // Port 0, an address of the other family or none: whoever wrote that as its source must not end the process.
        onSent(error as Error);
      }
      return socket.getSendQueueCount() === 0;
    },
    flush() {},
    status: () => ({
      mode: 'dgram',
      reason,
      segments: false,
      unfragmented: false,
      waits: 0,
      unsegmented: 0,
      tooLarge: 0,
      refused: sendErrors,
      refusal,
    }),
    close: () => new Promise((done) => socket.close(() => done())),
  };
}

/** @param isShared others may bind the same address and port, as for multicast. All hosts are addresses by now; Node's own look-up would put each send off by a tick, for nothing. */
export function createSocket(isV6: boolean, isShared = false): dgram.Socket {
  return dgram.createSocket({
    reuseAddr: isShared,
    type: isV6 ? 'udp6' : 'udp4',
    lookup: (address, _options, done) => done(null, address, isV6 ? 6 : 4),
  });
}
