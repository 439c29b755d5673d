/** Numbered packets that flow both ways while something happens, none of which may be lost. */
import type { Test } from 'tap';
import type { Host } from '../../src/demo/host.js';
import { waitFor } from '../../src/demo/wait.js';
import { containerOf } from './cluster.js';
import {
  startPackets,
  type PacketCounts,
  type PacketEnd,
  type PacketOptions,
  type PacketStream,
} from './packets.js';

/** Packets in each direction before and after it. */
const SOME_PACKETS = 1_000;
const SOME_ARRIVALS = 100;

/** A stream that ends with the test at the latest. */
export async function packetsBetween(
  t: Test,
  a: PacketEnd,
  b: PacketEnd,
  options?: PacketOptions,
): Promise<PacketStream> {
  const stream = await startPackets(a, b, options);
  t.teardown(() => stream.abandon());
  return stream;
}

/**
 * Something happens that may break the way. Waits until packets come through again.
 * @returns how many of both directions were lost meanwhile; a few that were under way may be among them
 */
export async function lostDuring(stream: PacketStream, happens: () => Promise<void>): Promise<number> {
  const before = await stream.peek();
  await happens();
  const then = await stream.peek();
  const now = await waitFor({
    what: 'packets to come through both ways',
    read: () => stream.peek(),
    until: ({ aToB, bToA }) =>
      Math.min(aToB.received - then.aToB.received, bToA.received - then.bToA.received) >= SOME_ARRIVALS,
  });
  return lostOf(now) - lostOf(before);
}

/** Without what only its receiver had no room for. */
function lostOf({ aToB, bToA }: PacketCounts): number {
  return aToB.lost - aToB.overflowed + bToA.lost - bToA.overflowed;
}

/** Ends the stream: every packet has arrived that its receiver had room for. */
export async function noneLost(t: Test, stream: PacketStream): Promise<PacketCounts> {
  const counts = await stream.stop();
  for (const [way, { sent, lost, overflowed }] of [
    ['one way', counts.aToB],
    ['the other way', counts.bToA],
  ] as const) {
    t.equal(lost - overflowed, 0, `of ${sent} packets ${way} none was lost`);
  }
  return counts;
}

/** Something happens while packets flow between the containers of two hosts. */
export async function uninterrupted(t: Test, a: Host, b: Host, happens: () => Promise<void>): Promise<void> {
  const stream = await packetsBetween(t, containerOf(a), containerOf(b));
  await stream.flow(SOME_PACKETS);
  await happens();
  await stream.flow(SOME_PACKETS);
  await noneLost(t, stream);
}
