/** Ports for what listens on this machine. */
import { createSocket } from 'node:dgram';

/** Of 127.0.0.1, for UDP; all are held until the last is found. */
export async function freePorts(count: number): Promise<number[]> {
  const sockets = Array.from({ length: count }, () => createSocket('udp4'));
  await Promise.all(
    sockets.map((socket) => new Promise<void>((done) => socket.bind(0, '127.0.0.1', () => done()))),
  );
  const ports = sockets.map((socket) => socket.address().port);
  await Promise.all(sockets.map((socket) => new Promise<void>((done) => socket.close(() => done()))));
  return ports;
}
