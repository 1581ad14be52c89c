/** Addresses of members as a group file writes them: `host:port` or `[v6 host]:port`. */
import { HeadwaterError } from '../errors.js';

/** Splits `host:port` or `[v6 host]:port`; throws INVALID_CONFIG, which begins with `where`. */
export function parseLocator(locator: string, where = 'address'): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(locator);
  const port = match ? Number(match[3]) : -1;
  if (!match || port > 65535)
    throw new HeadwaterError(
      'INVALID_CONFIG',
      `${where}: expected host:port or [host]:port, got ${JSON.stringify(locator)}`,
    );
  return { host: match[1] ?? match[2], port };
}

/** The one spelling of an address: `[0:0::1]:07` is `[::1]:7`, `Host.:7` is `host:7`, a mapped IPv4 address the plain one. */
export function canonicalLocator(locator: string): string {
  const { host, port } = parseLocator(locator);
  return `${canonicalHost(host)}:${port}`;
}

/** Whether it is the address of every interface: one to bind, not to send to. */
export function isUnspecified(locator: string): boolean {
  return ['0.0.0.0', '[::]'].includes(canonicalHost(parseLocator(locator).host));
}

function canonicalHost(host: string): string {
  const isV6 = host.includes(':');
  try {
    const { hostname } = new URL(`http://${isV6 ? `[${host}]` : host}`);
    const mapped = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/.exec(hostname);
    if (!mapped) return hostname.replace(/\.$/, '');
    const [high, low] = mapped.slice(1).map((word) => Number.parseInt(word, 16));
    return [high >> 8, high & 255, low >> 8, low & 255].join('.');
  } catch {
    // With a zone (fe80::1%eth0), or nothing that a URL takes.
    return isV6 ? `[${host.toLowerCase()}]` : host.toLowerCase();
  }
}
