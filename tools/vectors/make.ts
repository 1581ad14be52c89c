/** The test vectors of docs/PROTOCOL.md by file name: what this implementation makes of fixed seeds. */
import { castVectors } from './cast.js';
import { codeVectors } from './code.js';
import { joinVectors } from './join.js';
import { frameVectors, objectVectors } from './objects.js';
import { refusedVectors } from './refused.js';
import { groupVectors, sessionVectors } from './sessions.js';

/** @example makeVectors()['protocol-group.json'] */
export function makeVectors(): Record<string, unknown> {
  return {
    'protocol-group.json': groupVectors(),
    'protocol-session.json': sessionVectors(),
    'protocol-frames.json': frameVectors(),
    'protocol-objects.json': objectVectors(),
    'protocol-refused.json': refusedVectors(),
    'protocol-cast.json': castVectors(),
    'protocol-code.json': codeVectors(),
    'protocol-join.json': joinVectors(),
  };
}
