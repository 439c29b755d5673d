/** Who is probed: the peers, as they come, move and go. */
import t from 'tap';
import { followPeers } from '../../../src/daemon/probing.js';
import { PeerMonitor } from '../../../src/probe/peer-monitor.js';
import type { KeyChange } from '../../../src/subnet/store.js';
import { vtepOf } from '../../support/dataplane.js';
import { entryOf, joined } from '../../support/status-facts.js';

const keyOf = (n: number) => entryOf(n).key;
const put = (n: number, publicIp = vtepOf(n)): KeyChange => ({
  kind: 'put',
  entry: { ...entryOf(n, { publicIp }), modRevision: 100n },
});
const gone = (n: number): KeyChange => ({ kind: 'delete', key: keyOf(n), modRevision: 101n });

t.test('what has not changed keeps what is known of it', async t => {
  const { facts, reconciling } = joined(
    t,
    [2, 3, 4].map(n => entryOf(n)),
  );
  await reconciling.settled();
  const monitor = new PeerMonitor({
    ...{ rate: 20, timeoutMs: 1_000, identifier: 7, cookie: Buffer.from('selvedge') },
    isProgrammed: () => true,
  });
  const refresh = followPeers(facts, monitor);
  const seen = () => [...monitor.peers].map(([key, { target, since }]) => [key, target.underlay, since]);
  refresh(1_000);
  const first = [2, 3, 4].map(n => [keyOf(n), vtepOf(n), 1_000]);
  t.same(seen(), first);
  refresh(2_000);
  t.same(seen(), first, 'nothing is new');
  facts.overlay?.applyChanges([put(2), put(3, '192.168.77.99'), gone(4), put(5)], 'believe');
  refresh(3_000);
  t.same(seen(), [
    [keyOf(2), vtepOf(2), 1_000],
    [keyOf(3), '192.168.77.99', 3_000],
    [keyOf(5), vtepOf(5), 3_000],
  ]);
  facts.overlay?.applyChanges([put(4, vtepOf(5)), gone(5)], 'believe');
  refresh(4_000);
  t.same(seen().slice(2), [[keyOf(4), vtepOf(5), 4_000]], 'who comes may have the address of who goes');
});
