/** Changes on paper: noted, read back as made, and unknown to what lies below. */
import t from 'tap';
import type { PlannedChange } from '../../../../src/daemon/plan/changes.js';
import { DryKernel } from '../../../../src/daemon/plan/dry-kernel.js';
import { dryStore } from '../../../../src/daemon/plan/dry-store.js';
import { keyOf } from '../../../../src/dataplane/kinds/index.js';
import { NetlinkSocket } from '../../../../src/dataplane/netlink/socket.js';
import { NetlinkKernel } from '../../../../src/dataplane/netlink-kernel.js';
import {
  DEVICE,
  overlayRoute,
  peerEntries,
  sorted,
  subnetOf,
  vxlanLink,
} from '../../../support/dataplane.js';
import { MemoryStore } from '../../../support/memory-store.js';
import { startWithPeers } from '../../../support/programmed-peers.js';

const KEY = '/net/subnets/10.5.1.0-24';
const DEVICES = new Set([DEVICE]);
const onDevice = (kernel: DryKernel) =>
  kernel.readEntries(DEVICES).then(entries => sorted(entries.filter(({ device }) => device === DEVICE)));

async function dryKernel(...parts: Parameters<typeof startWithPeers>) {
  const lab = await startWithPeers(...parts);
  const below = new NetlinkSocket(lab.fake.openTransport());
  parts[0].teardown(() => below.close());
  const changes: PlannedChange[] = [];
  const kernel = new DryKernel(new NetlinkKernel(below), change => changes.push(change));
  await kernel.readLinks();
  return { lab, kernel, changes };
}

t.test('entries', async t => {
  const { lab, kernel, changes } = await dryKernel(t);
  const before = await lab.held();
  const [added, removed] = [overlayRoute(subnetOf(9)), overlayRoute(subnetOf(2))];
  await kernel.apply([
    { kind: 'create', entry: added },
    { kind: 'remove', held: removed },
  ]);
  t.same(changes, [
    { where: 'kernel', action: 'create', what: 'route 10.5.9.0/24 via 10.5.9.0 dev flannel.1 onlink' },
    { where: 'kernel', action: 'remove', what: 'route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink' },
  ]);
  const keys = (await onDevice(kernel)).map(keyOf);
  t.ok(keys.includes(keyOf(added)));
  t.notOk(keys.includes(keyOf(removed)));
  t.same(await lab.held(), before, 'the kernel holds what it held');
});

t.test('nexthop objects by their id', async t => {
  const { lab, kernel } = await dryKernel(t);
  const [held, other] = (await lab.held()).filter(entry => entry.kind === 'nexthop');
  await kernel.apply([{ kind: 'remove', held: held! }]);
  const has = (id: number) => kernel.hasNexthop(id);
  t.same(await Promise.all([held!.id, other!.id, 1].map(has)), [false, true, false]);
  await kernel.removeLink(DEVICE);
  t.notOk(await has(other!.id), 'they go with their device');
});

t.test('neighbours by their address', async t => {
  const { lab, kernel } = await dryKernel(t);
  const [held, other] = (await lab.held()).filter(entry => entry.kind === 'neighbour');
  await kernel.apply([{ kind: 'remove', held: held! }]);
  t.same(await Promise.all([held!, other!].map(entry => kernel.findNeighbour(entry))), [undefined, other]);
  await kernel.changeLink(vxlanLink(), { mac: '02:00:00:00:00:01' });
  t.equal(await kernel.findNeighbour(other!), undefined, 'they go with the MAC');
});

t.test('a device that is made anew has nothing on it, one with another MAC no neighbours', async t => {
  const { lab, kernel } = await dryKernel(t);
  await kernel.changeLink(vxlanLink(), { mac: '02:00:00:00:00:01' });
  t.match((await kernel.readLinks()).find(({ name }) => name === DEVICE)?.mac, '02:00:00:00:00:01');
  t.notOk((await onDevice(kernel)).some(({ kind }) => kind === 'neighbour'));
  t.ok((await onDevice(kernel)).some(({ kind }) => kind === 'route'));

  await kernel.removeLink(DEVICE);
  t.notOk((await kernel.readLinks()).some(({ name }) => name === DEVICE));
  await kernel.createLink(vxlanLink({ vni: 7 }));
  t.match(
    (await kernel.readLinks()).find(({ name }) => name === DEVICE),
    { up: true, vxlan: { vni: 7 } },
  );
  t.same(await onDevice(kernel), []);
  const [fdb] = peerEntries(5);
  await kernel.apply([{ kind: 'create', entry: fdb }]);
  t.same(await onDevice(kernel), [fdb]);
  t.equal(lab.fake.state.links.length, 2, 'and the kernel knows nothing of it');
});

t.test('keys: what the condition lets through is noted, and nothing is written', async t => {
  const store = new MemoryStore(() => 0);
  const { id } = await store.grantLease(60);
  const changes: PlannedChange[] = [];
  const dry = dryStore(store, change => changes.push(change));
  const planned = await dry.grantLease(600);
  t.match(await dry.createIfAbsent(KEY, 'value', planned.id), { done: true });
  t.equal(await store.read(KEY), undefined);
  t.equal(await dry.keepAlive(planned.id), 600);

  const revision = store.put(KEY, 'theirs', id);
  t.match(await dry.createIfAbsent(KEY, 'value', planned.id), { done: false, current: { value: 'theirs' } });
  t.match(await dry.replaceIfUnchanged(KEY, 'ours', id, revision - 1n), { done: false });
  t.match(await dry.replaceIfUnchanged(KEY, 'ours', id, revision), { done: true });
  t.match(await dry.deleteIfUnchanged(KEY, revision), { done: true });
  await dry.revokeLease(id);
  t.equal(await dry.keepAlive(id), 60);
  t.match(await store.read(KEY), { value: 'theirs', modRevision: revision });
  t.same(
    changes.map(({ action }) => action),
    ['create', 'change', 'remove'],
  );
});
