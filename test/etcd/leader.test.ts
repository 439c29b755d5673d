import t from 'tap';
import { freePort, needsEtcd, startEtcd, type Etcd } from '../support/etcd.js';
import { makeStore, never } from '../support/etcd-store.js';
import { openWatch, until } from '../support/store-contract.js';

/** Three members that elect a leader within a second. */
async function startCluster(): Promise<Etcd[]> {
  const peerPorts = [await freePort(), await freePort(), await freePort()];
  const cluster = peerPorts.map((port, i) => `m${i}=http://127.0.0.1:${port}`).join(',');
  const args = [`--initial-cluster=${cluster}`, '--heartbeat-interval=50', '--election-timeout=500'];
  return Promise.all(
    peerPorts.map((peerPort, i) => startEtcd({ peerPort, args: [...args, `--name=m${i}`] })),
  );
}

t.test('a watch on a member that has lost the leader ends', needsEtcd(), async t => {
  const members = await startCluster();
  t.teardown(() => Promise.all(members.map(member => member.destroy())));
  const [alone, ...others] = members;
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
