/** What a whole agent asks of etcd, by etcd's own count: at its start among peers, and while nothing happens. */
import t from 'tap';
import type { Lab } from '../../src/demo/lab.js';
import { parseEtcdRequests, requestsBetween, type EtcdRequests } from '../support/etcd-requests.js';
import { createLab } from '../support/lab.js';
import { keyOf, peerByHand, valueOf } from '../support/peers-by-hand.js';

const PEERS = 20;
/** A renewal comes every 10 seconds: one that is answered 5 seconds late is sent once more, and that is another call. */
const LEASE_TTL = ['--lease-ttl', '30s'];
const READ_METRICS = `fetch(process.argv[1]).then(answer => answer.text()).then(text => process.stdout.write(text))`;

/** etcd can be reached from inside the lab alone. */
async function readRequests(lab: Lab): Promise<EtcdRequests> {
  const { namespace } = lab.hosts[0]!;
  const argv = [process.execPath, '--eval', READ_METRICS, `${lab.endpoint}/metrics`];
  return parseEtcdRequests(await lab.commands.must(namespace.argv(argv)));
}

t.test('one list, one grant, one transaction, one watch; then renewals and nothing else', async t => {
  const lab = await createLab(t);
  await lab.startEtcd();
  await lab.setConfig({ Network: '10.5.0.0/16', SubnetMax: '10.5.60.0', Backend: { Type: 'vxlan' } });
  for (let number = 100; number < 100 + PEERS; number++) {
    const peer = peerByHand(number);
    await lab.etcd.ctl('put', keyOf(peer), valueOf(peer));
  }
  const host = await lab.addHost();
  const before = await readRequests(lab);
  await host.startAgent(LEASE_TTL);
  await host.waitForHealth(PEERS);
  const started = await renewed(lab, 1);
  const { LeaseKeepAlive: keepAlives, ...calls } = requestsBetween(before, started).started;
  t.strictSame(calls, { Range: 1, LeaseGrant: 1, Txn: 1, Watch: 1 });
  t.equal(keepAlives, 1, 'and one stream that renews the lease');

  const later = await renewed(lab, (started.received.LeaseKeepAlive ?? 0) + 2);
  const idle = requestsBetween(started, later);
  t.strictSame(idle.started, {}, 'no call in the time of two renewals');
  t.strictSame(Object.keys(idle.received), ['LeaseKeepAlive'], 'and no message but the renewals');
  const sockets = await host.namespace.exec(['ss', '-Htn', 'state', 'established', 'dport = :2379']);
  t.equal(sockets.stdout.trim().split('\n').length, 1, 'all over one connection');
});

/** Waits until etcd has been asked to renew a lease so many times. */
function renewed(lab: Lab, times: number): Promise<EtcdRequests> {
  return lab.waitFor({
    what: `${times} renewals`,
    read: () => readRequests(lab),
    until: ({ received }) => (received.LeaseKeepAlive ?? 0) >= times,
  });
}
