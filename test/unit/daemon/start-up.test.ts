import t from 'tap';
import { notADeviceMac, parseMac } from '../../../src/address/mac.js';
import { parsePrefix } from '../../../src/address/prefix.js';
import type { Underlay } from '../../../src/backends/backend.js';
import { configureBackend } from '../../../src/backends/registry.js';
import { OperatorError } from '../../../src/daemon/operator-error.js';
import {
  asOperatorError,
  checkBackend,
  chooseMac,
  requireDeviceOfNetwork,
} from '../../../src/daemon/start-up.js';
import type { HeldLink } from '../../../src/dataplane/kernel.js';
import { NetlinkKernel } from '../../../src/dataplane/netlink-kernel.js';
import { NetlinkSocket } from '../../../src/dataplane/netlink/socket.js';
import type { Lease } from '../../../src/subnet/lease.js';
import { FakeKernel } from '../../support/fake-kernel.js';
import { addressOn } from '../../support/netlink-contract-entries.js';

const DEVICE_MAC = '02:00:00:00:00:01';
const LEASE_MAC = '02:00:00:00:00:02';
const SAVED_MAC = '02:00:00:00:00:03';

function backendOf(type: string) {
  const configured = configureBackend(type, {});
  if (!configured.ok) throw new Error(type);
  return configured.backend;
}
const vxlan = backendOf('vxlan');
const hostGw = backendOf('host-gw');

const underlay: Underlay = {
  device: 'eth0',
  address: '192.0.2.1',
  publicIp: '192.0.2.1',
  mtu: 1500,
  routes: [],
};

const link = (name: string, kind = 'vxlan'): HeldLink => ({
  ...{ name, kind, index: 7, mtu: 1450, mac: DEVICE_MAC, up: true },
});

const lease: Lease = {
  publicIp: '192.0.2.1',
  backendType: 'vxlan',
  backendData: { VNI: 1, VtepMAC: LEASE_MAC },
  subnets: { ipv4: parsePrefix('10.5.1.0/24')! },
  key: '/net/subnets/10.5.1.0-24',
  createRevision: 1n,
  modRevision: 1n,
  leaseId: '0',
};

t.test('the MAC is kept: that of the device, of the own lease, of the state, or a new one', async t => {
  t.equal(chooseMac(vxlan, [link('flannel.1')], lease, SAVED_MAC), DEVICE_MAC);
  t.equal(chooseMac(vxlan, [link('flannel.2')], lease, SAVED_MAC), LEASE_MAC);
  t.equal(chooseMac(vxlan, [], { ...lease, backendType: 'host-gw' }, SAVED_MAC), SAVED_MAC);
  t.equal(chooseMac(vxlan, [], undefined, SAVED_MAC), SAVED_MAC);
  const drawn = chooseMac(vxlan, [], undefined, undefined)!;
  t.equal(parseMac(drawn), drawn);
  t.equal(notADeviceMac(drawn), undefined);
  t.not(chooseMac(vxlan, [], undefined, undefined), drawn);
  t.equal(chooseMac(hostGw, [link('flannel.1')], lease, SAVED_MAC), undefined);
});

t.test('a device name that is taken by something else, and a NAT under host-gw', async t => {
  t.doesNotThrow(() => checkBackend(vxlan, underlay, [link('flannel.1'), link('eth0', '')]));
  t.doesNotThrow(() => checkBackend(hostGw, underlay, [link('flannel.1', 'bridge')]));
  const hint = 'rename or remove it, or choose another VNI in the config';
  t.throws(
    () => checkBackend(vxlan, underlay, [link('flannel.1', 'bridge')]),
    new OperatorError(`device flannel.1 exists and is of kind bridge: ${hint}`),
  );
  t.throws(
    () => checkBackend(vxlan, underlay, [link('flannel.1', '')]),
    new OperatorError(`device flannel.1 exists and is not a virtual one: ${hint}`),
  );
  const behindNat = { ...underlay, publicIp: '203.0.113.7' };
  t.throws(() => checkBackend(hostGw, behindNat, []), {
    name: 'OperatorError',
    message: /use vxlan across a NAT/,
  });
});

t.test('a device with an address of another network belongs to another overlay', async t => {
  const fake = new FakeKernel();
  const index = fake.addLink({ name: 'flannel.1', kind: 'vxlan' });
  fake.state.addresses.push(addressOn(fake.addLink({ name: 'eth0' }), '192.0.2.1', 24));
  const kernel = new NetlinkKernel(new NetlinkSocket(fake.openTransport()));
  await kernel.readLinks();
  const network = parsePrefix('10.5.0.0/16')!;
  await t.resolves(requireDeviceOfNetwork(kernel, 'flannel.1', network), 'no address at all');
  fake.state.addresses.push(addressOn(index, '10.5.7.0', 32));
  await t.resolves(requireDeviceOfNetwork(kernel, 'flannel.1', network));
  fake.state.addresses.push(addressOn(index, '10.9.7.0', 32));
  await t.rejects(requireDeviceOfNetwork(kernel, 'flannel.1', network), {
    name: 'OperatorError',
    message:
      /^device flannel\.1 has the address 10\.9\.7\.0\/32, which is not in the network 10\.5\.0\.0\/16: /,
  });
});

t.test('which trouble with a device an operator must mend', async t => {
  const cases: readonly (readonly [code: string | undefined, message: RegExp | undefined])[] = [
    ['EADDRINUSE', /^create flannel\.1: X: its UDP port is used by another program; see "ss -lunp"/],
    ['EEXIST', /another VXLAN device has the same VNI and port; see "ip -d link show type vxlan"/],
    ['EPERM', /CAP_NET_ADMIN is missing/],
    ['EACCES', /CAP_NET_ADMIN is missing/],
    ['EOPNOTSUPP', /modprobe vxlan/],
    ['refused', /^device flannel\.1: create flannel\.1: X$/],
    ['ENODEV', undefined],
    ['EBUSY', undefined],
    [undefined, undefined],
  ];
  for (const [code, message] of cases) {
    const error = asOperatorError({
      device: 'flannel.1',
      error: 'create flannel.1: X',
      code,
      isBlocking: true,
    });
    if (message === undefined) t.equal(error, undefined, code ?? 'no code');
    else t.match(error, { name: 'OperatorError', message }, code ?? 'no code');
  }
});
