/** What a UDP socket of this namespace had no room for: lost by its receiver, who was kept from emptying it, not by a network. */
import { readFileSync } from 'node:fs';

/**
 * @param port of the socket, the only one that is bound to it
 * @returns the `drops` column of its line in /proc/net/udp, where a line begins with `N: HEXADDRESS:HEXPORT`; 0 without one
 */
export function readDrops(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const lines = readFileSync('/proc/net/udp', 'utf8').trimEnd().split('\n').slice(1);
  const ours = lines.map(line => line.trim().split(/\s+/)).find(fields => fields[1]?.endsWith(`:${hex}`));
  return Number(ours?.at(-1) ?? 0);
}
