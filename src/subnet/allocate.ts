/**
 * Which free subnet a host takes. Pure.
 *
 * The whole range is used, and every free subnet is equally likely: flannel looks at the first hundred only, so that
 * hosts started together meet on the same few (birthday collisions).
 */
import { bitsOf, ipFromNumber, ipToNumber } from '../address/ip.js';
import { rangeOf, type Prefix } from '../address/prefix.js';
import type { SubnetRange } from './network-config.js';

/** How many subnets a range has, and how many of them no lease overlaps. */
export interface SubnetCount {
  readonly total: bigint;
  readonly free: bigint;
}

/** A run of taken subnets by number, both ends included; number 0 is the one at SubnetMin. */
interface Run {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * Picks a free subnet.
 * @param taken prefixes in use, of any length; those outside the range do not matter
 * @param random gives a whole number in [0, below), evenly distributed
 * @returns undefined when nothing is free
 */
export function allocateSubnet(
  range: SubnetRange,
  taken: readonly Prefix[],
  random: (below: bigint) => bigint,
): Prefix | undefined {
  const runs = takenRuns(range, taken);
  const { free } = count(range, runs);
  if (free === 0n) return undefined;
  // The n-th free subnet: step over each run of taken ones that begins at or before it.
  let number = random(free);
  for (const run of runs) {
    if (run.first > number) break;
    number += run.last - run.first + 1n;
  }
  return subnetAt(range, number);
}

export function countSubnets(range: SubnetRange, taken: readonly Prefix[]): SubnetCount {
  return count(range, takenRuns(range, taken));
}

/** Whether the prefix is exactly one of the subnets that the range hands out. */
export function isInRange(range: SubnetRange, subnet: Prefix): boolean {
  if (subnet.family !== range.network.family || subnet.length !== range.subnetLength) return false;
  const value = ipToNumber(subnet.address);
  const offset = value - ipToNumber(range.subnetMin);
  return offset >= 0n && value <= ipToNumber(range.subnetMax) && offset % subnetSize(range) === 0n;
}

function count(range: SubnetRange, runs: readonly Run[]): SubnetCount {
  const total = lastNumber(range) + 1n;
  const used = runs.reduce((sum, run) => sum + run.last - run.first + 1n, 0n);
  return { total, free: total - used };
}

function takenRuns(range: SubnetRange, taken: readonly Prefix[]): Run[] {
  const size = subnetSize(range);
  const base = ipToNumber(range.subnetMin);
  const end = lastNumber(range);
  const runs: Run[] = [];
  for (const prefix of taken) {
    if (prefix.family !== range.network.family) continue;
    const { first, last } = rangeOf(prefix);
    if (last < base) continue;
    const run = { first: first < base ? 0n : (first - base) / size, last: (last - base) / size };
    if (run.first <= end) runs.push({ first: run.first, last: run.last > end ? end : run.last });
  }
  return joinRuns(runs);
}

/** Sorts, and joins runs that overlap, so that no subnet counts twice. */
function joinRuns(runs: readonly Run[]): Run[] {
  const sorted = runs.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const joined: Run[] = [];
  for (const run of sorted) {
    const previous = joined.at(-1);
    if (previous === undefined || run.first > previous.last) joined.push(run);
    else if (run.last > previous.last) joined[joined.length - 1] = { first: previous.first, last: run.last };
  }
  return joined;
}

function subnetSize(range: SubnetRange): bigint {
  return 1n << BigInt(bitsOf(range.network.family) - range.subnetLength);
}

function lastNumber(range: SubnetRange): bigint {
  return (ipToNumber(range.subnetMax) - ipToNumber(range.subnetMin)) / subnetSize(range);
}

function subnetAt(range: SubnetRange, number: bigint): Prefix {
  const { family } = range.network;
  const address = ipFromNumber(ipToNumber(range.subnetMin) + number * subnetSize(range), family);
  return { family, address, length: range.subnetLength };
}
