/** Machines on which datagrams cannot go in batches: each is found out, and named. */
import { expect, test } from 'vitest';
import { EINVAL, type Kernel, loadKernel } from '../../../src/node/socket/kernel.js';
import { selfTest } from '../../../src/node/socket/self-test.js';

const EPERM = 1;

/** This machine's, which the tests of sockets need as well, but for what is given. */
function kernelWith(change: (kernel: Kernel) => Partial<Kernel> = () => ({})): Kernel {
  const kernel = loadKernel();
  if (typeof kernel === 'string') throw new Error(kernel);
  return { ...kernel, ...change(kernel) };
}

test('no koffi', () => {
  const missing = () => {
    throw new Error("Cannot find module 'koffi'");
  };
  expect(loadKernel(missing)).toBe('koffi, an optional package, is not there or does not load');
});

test('a libc without one of the calls', () => {
  const koffi = {
    load: () => ({
      func(name: string) {
        if (name === 'sendmmsg') throw new Error("Cannot find function 'sendmmsg'");
        return () => 0;
      },
    }),
  };
  expect(loadKernel(() => koffi)).toBe("libc: Cannot find function 'sendmmsg'");
});

test('one that has all of it', () => {
  expect(selfTest(kernelWith())).toEqual({ segments: true });
});

test('a container that forbids the calls', () => {
  expect(selfTest(kernelWith(() => ({ socket: () => -EPERM })))).toEqual({
    reason: 'self-test on loopback: socket: EPERM',
  });
});

test('a kernel that does not cut up datagrams is used without that', () => {
  let calls = 0;
  const ability = selfTest(
    kernelWith(({ sendmmsg }) => ({
      sendmmsg: (...call) => (calls++ === 0 ? -EINVAL : sendmmsg(...call)),
    })),
  );
  expect(ability).toEqual({
    segments: false,
    reason: 'UDP_SEGMENT: expected datagrams that are cut up, got a refusal',
  });
});

test('one that takes datagrams and brings none', () => {
  expect(selfTest(kernelWith(() => ({ sendmmsg: (_fd, _messages, count) => count })))).toEqual({
    reason: 'self-test on loopback: expected 7 datagrams as they were sent, got 0',
  });
});
