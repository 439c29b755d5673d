import t from 'tap';
import { needsEtcd } from '../support/etcd.js';
import { startMembers } from '../support/etcd-members.js';
import { makeStore, never } from '../support/etcd-store.js';
import { openWatch, until } from '../support/store-contract.js';

t.test('a watch on a member that has lost the leader ends', needsEtcd(), async t => {
  const [alone, ...others] = await startMembers(t, 3);
  const store = makeStore(t, { endpoints: [alone!.url] });
  const snapshot = await store.list('/net/', never);
  const watch = openWatch(store, '/net/', snapshot);
  await watch.opened;
  await Promise.all(others.map(member => member.stop('SIGKILL')));
  t.match(await watch.end, { kind: 'broken', error: { kind: 'unavailable', message: /no leader/ } });

  await Promise.all(others.map(member => member.start()));
  await until(
    () =>
      store.list('/net/', never).then(
        () => true,
        () => false,
      ),
    'the leader',
  );
  const again = openWatch(store, '/net/', snapshot);
  await again.opened;
  t.ok((await store.createIfAbsent('/net/a', 'x', '0')).done);
  await until(() => again.changes.length === 1, 'the change');
  again.stop();
});
