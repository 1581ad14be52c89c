/**
 * One side of a bare node:dgram pair, at its best: large socket buffers, a connected sender that refills its window from
 * setImmediate, a receiver that only counts.
 */

import dgram from 'node:dgram';
import { once } from 'node:events';
import { roleOptions, serveRole } from './process.js';
import { startProfile, stopProfile } from './profile.js';
import { usage } from './usage.js';

export interface BareOptions {
  /** Bytes of UDP payload. */
  size: number;
  /** Of the receiver; undefined: be the receiver. */
  port?: number;
}

/** Bytes; the kernel's own limit may be lower. */
const SOCKET_BUFFER = 4 * 1024 * 1024;
/** Datagrams between two looks at the event loop. */
const WINDOW = 64;

const { size, port } = roleOptions<BareOptions>();
const socket = dgram.createSocket('udp4');
let datagrams = 0;
let bytes = 0;
if (port === undefined) {
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.on('message', ({ length }) => {
    datagrams++;
    bytes += length;
  });
} else {
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
}
socket.setRecvBufferSize(SOCKET_BUFFER);
socket.setSendBufferSize(SOCKET_BUFFER);
serveRole({
  port: () => socket.address().port,
  start() {
    const datagram = Buffer.alloc(size, 7);
    const refill = () => {
      for (let i = 0; i < WINDOW; i++) {
        socket.send(datagram);
        datagrams++;
        bytes += size;
      }
      setImmediate(refill);
    };
    refill();
    return true;
  },
  usage: () => usage(datagrams, bytes, bytes),
  profile: startProfile,
  profiled: stopProfile,
});
