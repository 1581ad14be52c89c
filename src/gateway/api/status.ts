/** How a call ends that has no answer: the codes of gRPC, and etcd's texts where it has some. */

export interface Failure {
  code: number;
  message: string;
}

export const CODE = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

/** The one failure that every hydra-node tries again after. */
export function unavailable(message: string): Failure {
  return { code: CODE.UNAVAILABLE, message: `etcdserver: ${message}` };
}

export const NO_QUORUM = unavailable('no leader');
export const TIMED_OUT = unavailable('request timed out');
/** Etcd says NOT_FOUND, which ends hydra-node up to 2.1. */
export const NO_LEASE = unavailable('requested lease not found');

export function invalidCall(message: string): Failure {
  return { code: CODE.INVALID_ARGUMENT, message: `etcdserver: ${message}` };
}

export function unimplemented(message: string): Failure {
  return { code: CODE.UNIMPLEMENTED, message };
}
