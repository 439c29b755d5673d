/** Pings between containers. */
import type { Namespace } from './namespace.js';

const COUNT = 3;

export type PingResult =
  { readonly kind: 'answered'; readonly bestMs: number } | { readonly kind: 'lost'; readonly detail: string };

/**
 * Sends three echo requests.
 * @returns `answered` with the shortest round trip when all three came back
 */
export async function ping(from: Namespace, address: string): Promise<PingResult> {
  const argv = ['ping', '-n', '-c', String(COUNT), '-i', '0.05', '-W', '1', address];
  const { stdout, stderr } = await from.exec(argv, { timeoutSeconds: 10 });
  return parsePing(stdout + stderr);
}

/** Reads what ping of iputils or busybox prints. Pure. */
export function parsePing(output: string): PingResult {
  const counts = /(\d+) packets transmitted, (\d+) (?:packets )?received/.exec(output);
  const best = /min\/avg\/max\S* = ([\d.]+)\//.exec(output);
  if (counts === null) return { kind: 'lost', detail: output.trim().split('\n').at(-1) ?? '' };
  if (counts[1] !== counts[2] || best === null) {
    return { kind: 'lost', detail: `${counts[2]!} of ${counts[1]!} came back` };
  }
  return { kind: 'answered', bestMs: Number(best[1]) };
}

/** Pings still under way at once: enough to be quick with many hosts, too few to falsify the times much. */
const PARALLEL = 4;

/**
 * Pings every ordered pair.
 * @returns results by sender, then receiver; undefined where both are the same
 */
export async function pingAllPairs(
  ends: readonly { readonly namespace: Namespace; readonly address: string }[],
): Promise<readonly (readonly (PingResult | undefined)[])[]> {
  const results = ends.map(() => ends.map((): PingResult | undefined => undefined));
  const pairs = ends.flatMap((_, from) => ends.flatMap((_, to) => (from === to ? [] : [{ from, to }])));
  const next = pairs.values();
  const worker = async () => {
    for (const { from, to } of next)
      results[from]![to] = await ping(ends[from]!.namespace, ends[to]!.address);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return results;
}
