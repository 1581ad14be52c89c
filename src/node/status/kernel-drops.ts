/** Datagrams that the kernel has dropped since its buffer for a socket was full, where it tells (Linux: man 5 proc, /proc/net/udp). */
import { readFile } from 'node:fs/promises';

/** Of all sockets of this network namespace that are bound to `port`; undefined where the kernel does not tell. */
export async function kernelDrops(port: number): Promise<number | undefined> {
  if (process.platform !== 'linux') return undefined;
  const tables = await Promise.all(TABLES.map((file) => readFile(file, 'latin1').catch(() => '')));
  return tables.some((table) => table !== '') ? dropsIn(tables.join('\n'), port) : undefined;
}

/** The last column of the lines whose local address ends with the port, in hex. */
export function dropsIn(table: string, port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  let drops = 0;
  for (const line of table.split('\n')) {
    const columns = line.trim().split(/\s+/);
    if (columns[1]?.endsWith(suffix)) drops += Number(columns[columns.length - 1]) || 0;
  }
  return drops;
}

const TABLES = ['/proc/self/net/udp', '/proc/self/net/udp6'];
