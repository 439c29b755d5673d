import t from 'tap';
import { needsEtcd } from '../support/etcd.js';
import { never, startEtcdFixture } from '../support/etcd-store.js';
import { openWatch } from '../support/store-contract.js';

// In a file of its own, because it takes as long as gRPC's pings do.
t.test('a stalled connection ends the watch', needsEtcd(), async t => {
  const { proxy, store } = await startEtcdFixture(t);
  const watch = openWatch(store, '/net/', await store.list('/net/', never));
  await watch.opened;
  const before = performance.now();
  proxy.stall('both');
  const end = await watch.end;
  t.match(end, { kind: 'broken', error: { kind: 'unavailable' } });
  t.comment(`after ${Math.round(performance.now() - before)} ms`);
});
