/** What `sendFiles` and `receiveFiles` are given alike. */
import type { Check } from '../core/checks.js';
import { invalid } from '../errors.js';

export const isNode: Check = (name, value) => {
  if (typeof value !== 'object' || value === null || !('transfers' in value))
    throw invalid(name, 'a Node', value);
};
