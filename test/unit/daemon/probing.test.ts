/** Who is probed: the peers, as they come, move and go. */
import t, { type Test } from 'tap';
import { followPeers } from '../../../src/daemon/probing.js';
import { PeerMonitor } from '../../../src/probe/peer-monitor.js';
import type { KeyChange } from '../../../src/subnet/store.js';
import { prefix, UNDERLAY, vtepOf } from '../../support/dataplane.js';
import { entryOf, joined } from '../../support/status-facts.js';

const keyOf = (n: number) => entryOf(n).key;
const put = (n: number, publicIp = vtepOf(n)): KeyChange => ({
  kind: 'put',
  entry: { ...entryOf(n, { publicIp }), modRevision: 100n },
});
const gone = (n: number): KeyChange => ({ kind: 'delete', key: keyOf(n), modRevision: 101n });

/** A host with DirectRouting and so many peers from 2 on, and what follows them. */
async function follow(t: Test, count: number) {
  const entries = Array.from({ length: count }, (_, i) => entryOf(i + 2));
  const { facts, reconciling } = joined(t, entries, { DirectRouting: true });
  await reconciling.settled();
  const monitor = new PeerMonitor({
    ...{ rate: 20, timeoutMs: 1_000, identifier: 7, cookie: Buffer.from('selvedge') },
    isProgrammed: () => true,
  });
  return {
    overlay: facts.overlay!,
    reconciler: facts.reconciler!,
    refresh: followPeers(facts, monitor),
    monitor,
    seen: () => [...monitor.peers].map(([key, { target, since }]) => [key, target.underlay, since]),
  };
}

t.test('what has not changed keeps what is known of it', async t => {
  const { overlay, refresh, seen } = await follow(t, 3);
  refresh(1_000);
  const first = [2, 3, 4].map(n => [keyOf(n), vtepOf(n), 1_000]);
  t.same(seen(), first);
  overlay.applyChanges([put(2), put(3, '192.168.77.99'), gone(4), put(5)], 'believe');
  refresh(3_000);
  t.same(seen(), [
    [keyOf(2), vtepOf(2), 1_000],
    [keyOf(3), '192.168.77.99', 3_000],
    [keyOf(5), vtepOf(5), 3_000],
  ]);
  overlay.applyChanges([put(4, vtepOf(5)), gone(5)], 'believe');
  refresh(4_000);
  t.same(seen().slice(2), [[keyOf(4), vtepOf(5), 4_000]], 'who comes may have the address of who goes');
});

t.test('a peer that another lease stood in the way of is probed again', async t => {
  const { overlay, refresh, seen } = await follow(t, 1);
  refresh(1_000);
  // Older, and the same subnet and more.
  const key = keyOf(2).replace('-24', '-23');
  overlay.applyChanges([{ kind: 'put', entry: { ...entryOf(9), key, createRevision: 1n } }], 'believe');
  refresh(2_000);
  t.same(seen(), [[key, vtepOf(9), 2_000]]);
  overlay.applyChanges([{ kind: 'delete', key, modRevision: 101n }], 'believe');
  refresh(3_000);
  t.same(seen(), [[keyOf(2), vtepOf(2), 3_000]]);
});

t.test('a peer that is on our own link by now is probed without the tunnel', async t => {
  const { overlay, refresh, monitor } = await follow(t, 1);
  const target = () => {
    const { isTunnel, overlay: inside } = monitor.peers.get(keyOf(2))!.target;
    return { isTunnel, inside };
  };
  refresh(1_000);
  t.same(target(), { isTunnel: true, inside: '10.5.2.0' });
  overlay.followRoutes([
    {
      kind: 'route',
      destination: prefix('192.168.77.0/24'),
      device: UNDERLAY,
      onLink: false,
      protocol: 2,
      metric: 0,
    },
  ]);
  refresh(2_000);
  t.same(target(), { isTunnel: false, inside: '10.5.2.1' });
});

t.test('nobody new is taken in while the kernel is being filled', async t => {
  const { reconciler, refresh, seen } = await follow(t, 1);
  const say = (isFilling: boolean) =>
    Object.defineProperty(reconciler, 'readings', { value: { begun: 1, isFilling }, configurable: true });
  say(true);
  refresh(1_000);
  t.same(seen(), []);
  say(false);
  refresh(2_000);
  t.same(seen(), [[keyOf(2), vtepOf(2), 2_000]]);
});
