/** Thousands of leases in etcd, one agent: the kernel holds exactly them, also after hundreds have left and a restart. */
import t, { type Test } from 'tap';
import { prepareHost, waitForPeers } from '../../bench/agent-lab.js';
import { KEY_PREFIX, peer } from '../../bench/peers.js';
import { countChanges, METRICS_OPTIONS } from '../../bench/restart.js';
import { formatPrefix } from '../../src/address/prefix.js';
import { nexthopIdOf } from '../../src/dataplane/nexthop-id.js';
import type { Host } from '../../src/demo/host.js';
import { waitFor } from '../../src/demo/wait.js';
import { createLab } from '../support/lab.js';

const PEERS = 5_000;
/** `10.1.0.0/24` to `10.2.255.0/24`: peers 256 to 767. */
const LEAVING = ['10.1.', '10.2.'];

/** What the kernel is to hold for these peers, a line for each entry, sorted. */
function expected(numbers: readonly number[]): string[] {
  const lines = numbers.map(peer).flatMap(({ subnet, publicIp, mac }) => {
    const base = subnet.address;
    const id = nexthopIdOf(subnet);
    return [
      `nexthop ${id} via ${base}`,
      `route ${formatPrefix(subnet)} nhid ${id} via ${base}`,
      `neighbour ${base} ${mac}`,
      `fdb ${mac} ${publicIp}`,
    ];
  });
  return lines.sort();
}

/** The same of what it holds, whoever made it. */
async function held({ namespace }: Host): Promise<string[]> {
  const nexthops = await namespace.ipJson('nexthop', 'show');
  const routes = await namespace.ipJson('route', 'show', 'dev', 'flannel.1');
  const neighbours = await namespace.ipJson('-4', 'neigh', 'show', 'dev', 'flannel.1', 'nud', 'permanent');
  const fdb = await namespace.bridgeJson('fdb', 'show', 'dev', 'flannel.1');
  const lines = [
    ...nexthops.map(({ id, gateway }) => `nexthop ${String(id)} via ${String(gateway)}`),
    ...routes.map(
      ({ dst, nhid, gateway }) => `route ${String(dst)} nhid ${String(nhid)} via ${String(gateway)}`,
    ),
    ...neighbours.map(({ dst, lladdr }) => `neighbour ${String(dst)} ${String(lladdr)}`),
    ...fdb.map(({ mac, dst }) => `fdb ${String(mac)} ${String(dst)}`),
  ];
  return lines.sort();
}

/**
 * Waits until the host holds what it is to hold. A table that changes while it is dumped may be told twice in part, so
 * the number says when to compare; and twenty thousand lines are not printed when they differ.
 */
async function holds(t: Test, host: Host, peers: readonly number[], what: string): Promise<void> {
  const wanted = expected(peers);
  const found = await waitFor({
    what: `${wanted.length} kernel entries`,
    read: () => held(host),
    until: lines => lines.length === wanted.length,
  });
  const [present, needed] = [new Set(found), new Set(wanted)];
  t.same(wanted.filter(line => !present.has(line)).slice(0, 10), [], `${what}: nothing is missing`);
  t.same(found.filter(line => !needed.has(line)).slice(0, 10), [], `${what}: nothing is too much`);
}

t.test(`${PEERS} peers join one host, and 512 leave`, async t => {
  const lab = await createLab(t);
  const host = await prepareHost(lab, PEERS);
  await host.startAgent();
  const started = await waitForPeers(lab, host, PEERS);
  t.equal(started.verdict, 'healthy');
  const all = Array.from({ length: PEERS }, (_, index) => index + 1);
  await holds(t, host, all, 'all have joined');

  for (const part of LEAVING) await lab.etcd.ctl('del', '--prefix', `${KEY_PREFIX}${part}`);
  const staying = all.filter(number => number < 256 || number > 767);
  const left = await waitForPeers(lab, host, staying.length);
  await holds(t, host, staying, 'some have left');
  t.match(left, { verdict: 'healthy', dataPlane: { repairs: 0 } });

  await host.stopAgent();
  await host.startAgent(METRICS_OPTIONS);
  const again = await waitForPeers(lab, host, staying.length);
  await holds(t, host, staying, 'after a restart');
  t.match(again, { verdict: 'healthy', dataPlane: { repairs: 0 } });
  t.equal(await countChanges(host), 0, 'for which nothing was sent');
});
