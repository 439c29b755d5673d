import t from 'tap';
import { needsEtcd } from '../support/etcd.js';
import { never, startEtcdFixture } from '../support/etcd-store.js';
import { openWatch } from '../support/store-contract.js';

// In a file of its own, because it takes as long as gRPC's pings do.
t.test('a stalled connection ends the watch within 15 s', needsEtcd(), async t => {
  const { proxy, store } = await startEtcdFixture(t);
  const watch = openWatch(store, '/net/', await store.list('/net/', never));
  await watch.opened;
  const before = Date.now();
  proxy.stall('both');
  const end = await watch.end;
  t.match(end, { kind: 'broken', error: { kind: 'unavailable' } });
  // And what a slow machine adds.
  t.ok(Date.now() - before < 20_000);
});
