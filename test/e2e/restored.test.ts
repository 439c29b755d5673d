/** etcd goes back in time while agents are down: who starts again sees it, and cuts nobody off. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { hostOf, leaseKeys, leaseOf, overlayRoutes, startCluster } from '../support/cluster.js';
import { uninterrupted } from '../support/uninterrupted.js';

/** Time enough for the other host to come back. */
const SHORT_GRACE = { agentOptions: ['--doubt-grace', '20s'] };

t.test('etcd is restored from a snapshot that knows us and not a peer of ours', async t => {
  const lab = await startCluster(t, { hosts: 2, ...SHORT_GRACE });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const [snapshot, data] = [join(lab.directory, 'snapshot'), join(lab.directory, 'etcd', 'data')];
  await lab.etcd.ctl('snapshot', 'save', snapshot);
  const three = await lab.addHost();
  await three.startAgent(SHORT_GRACE.agentOptions);
  for (const host of lab.hosts) await host.waitForHealth(2);
  await three.addContainer();
  const [routes, subnet] = [await overlayRoutes(one), await leaseOf(lab, three)];

  await uninterrupted(t, one, three, async () => {
    for (const host of [one, three]) await host.stopAgent();
    await lab.etcd.stop('SIGKILL');
    await rm(data, { recursive: true });
    const peer = 'http://127.0.0.1:2380';
    await lab.etcd.ctl(
      ...['snapshot', 'restore', snapshot, '--data-dir', data, '--name', 'lab'],
      ...['--initial-cluster', `lab=${peer}`, '--initial-advertise-peer-urls', peer],
    );
    await lab.etcd.start();

    await one.startAgent(SHORT_GRACE.agentOptions);
    const status = await lab.waitFor({
      what: 'host1 to run with what the snapshot lists',
      read: () => one.status(),
      until: seen => seen?.phase === 'running',
    });
    t.match(status?.problems, [{ code: 'etcd-doubt', seen: /restored to an older revision/ }]);
    t.same(await overlayRoutes(one), routes, 'what leads to host3 stays');

    // Whoever stops in doubt must not take the etcd of now for the one to go by.
    await one.stopAgent();
    await one.startAgent(SHORT_GRACE.agentOptions);
    await lab.waitFor({
      what: 'host1 to doubt again',
      read: () => one.status(),
      until: seen => seen?.phase === 'running' && seen.etcd.doubt !== null,
    });
    await three.startAgent(SHORT_GRACE.agentOptions);
    for (const host of [one, two, three]) await host.waitForHealth(2);
  });
  t.equal((await leaseOf(lab, three)).key, subnet.key, 'host3 has the subnet that it had');
  t.equal((await leaseKeys(lab)).length, 3);
  t.same(await overlayRoutes(one), routes, 'routes are as before');

  await one.stopAgent();
  await one.startAgent();
  t.equal(
    (await one.waitForHealth(2)).etcd.doubt,
    null,
    'and once it is believed, a restart believes it too',
  );
});
