/** Where a page or another thing for HTTP listens, as it is given on the command line. */
import { InvalidArgumentError } from 'commander';
import { parseLocator } from '../../group/locator.js';

export interface Address {
  host: string;
  port: number;
}

export function httpAddress(text: string): Address {
  try {
    return parseLocator(text);
  } catch {
    throw new InvalidArgumentError(`expected host:port, got ${text}.`);
  }
}
