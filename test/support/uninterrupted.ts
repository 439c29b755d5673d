/** Numbered packets that flow both ways while something happens, none of which may be lost. */
import type { Test } from 'tap';
import type { Host } from '../../src/demo/host.js';
import { containerOf } from './cluster.js';
import { startPackets, type PacketCounts, type PacketEnd, type PacketStream } from './packets.js';

/** Packets in each direction before and after it. */
const SOME_PACKETS = 1_000;

/** A stream that ends with the test at the latest. */
export async function packetsBetween(t: Test, a: PacketEnd, b: PacketEnd): Promise<PacketStream> {
  const stream = await startPackets(a, b);
  t.teardown(() => stream.abandon());
  return stream;
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
