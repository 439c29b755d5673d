/** The packet stream itself: it must neither invent losses nor miss them. */
import t, { type Test } from 'tap';
import type { Host } from '../../src/demo/host.js';
import type { Lab } from '../../src/demo/lab.js';
import { waitFor } from '../../src/demo/wait.js';
import { createLab } from '../support/lab.js';
import { startPackets } from '../support/packets.js';

async function createPair(t: Test): Promise<{ lab: Lab; one: Host; other: Host }> {
  const lab = await createLab(t);
  return { lab, one: await lab.addHost(), other: await lab.addHost() };
}

t.test('a whole cable loses nothing', async t => {
  const { one, other } = await createPair(t);
  const stream = await startPackets(one, other);
  t.teardown(() => stream.abandon());
  await stream.flow(3000);
  const counts = await stream.stop();
  for (const [direction, count] of Object.entries(counts)) {
    t.equal(count.lost - count.overflowed, 0, `${direction}: none lost of ${count.sent}`);
    t.equal(count.duplicates, 0, `${direction}: none twice`);
    t.comment(`${direction}: ${Math.round(count.sentPerSecond)} packets a second`);
    t.ok(count.sent >= 3000, `${direction}: as many as were asked for`);
  }
});

t.test('a cable that is cut for a moment loses packets both ways', async t => {
  const { lab, one, other } = await createPair(t);
  const stream = await startPackets(one, other);
  t.teardown(() => stream.abandon());
  await lab.underlay.setCable(other.name, 'cut');
  // Over a second's worth: without carrier the kernel keeps some hundred packets for the next answer to ARP.
  await stream.flow(2000);
  await lab.underlay.setCable(other.name, 'whole');
  await waitFor({
    what: 'the cable to carry again',
    read: () => one.namespace.exec(['ping', '-q', '-c', '1', '-W', '1', other.address]),
    until: ({ code }) => code === 0,
  });
  const counts = await stream.stop();
  for (const [direction, count] of Object.entries(counts)) {
    t.ok(count.lost >= 1000, `${direction}: ${count.lost} of ${count.sent} lost`);
    t.ok(count.received > 0, `${direction}: ${count.received} arrived before and after`);
    t.ok(count.longestGapMs > 500, `${direction}: longest gap ${Math.round(count.longestGapMs)} ms`);
  }
});
