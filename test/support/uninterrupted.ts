/** Something happens while numbered packets flow both ways between the containers of two hosts, and none is lost. */
import type { Test } from 'tap';
import type { Host } from '../../src/demo/host.js';
import { containerOf } from './cluster.js';
import { startPackets } from './packets.js';

/** Packets in each direction before and after it. */
const SOME_PACKETS = 1_000;

export async function uninterrupted(t: Test, a: Host, b: Host, happens: () => Promise<void>): Promise<void> {
  const stream = await startPackets(containerOf(a), containerOf(b));
  t.teardown(() => stream.abandon());
  await stream.flow(SOME_PACKETS);
  await happens();
  await stream.flow(SOME_PACKETS);
  const { aToB, bToA } = await stream.stop();
  for (const [way, { sent, lost, overflowed }] of [
    [`${a.name} to ${b.name}`, aToB],
    [`${b.name} to ${a.name}`, bToA],
  ] as const) {
    t.equal(lost - overflowed, 0, `of ${sent} packets from ${way} none was lost`);
  }
}
