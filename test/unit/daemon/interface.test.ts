import t from 'tap';
import { chooseInterface } from '../../../src/daemon/interface.js';
import { OperatorError } from '../../../src/daemon/operator-error.js';
import type { UnderlayOptions } from '../../../src/daemon/options.js';
import type { HostNetwork, RouteTo } from '../../../src/dataplane/host-network.js';

const host: HostNetwork = {
  interfaces: [
    { name: 'lo', mtu: 65536, addresses: ['127.0.0.1'] },
    { name: 'eth0', mtu: 1500, addresses: ['192.0.2.1', '192.0.2.7'] },
    { name: 'eth1', mtu: 9000, addresses: ['198.51.100.1'] },
    { name: 'bond198', mtu: 1500, addresses: ['203.0.113.1'] },
    { name: 'bare', mtu: 1500, addresses: [] },
    { name: 'none', mtu: 0, addresses: ['203.0.113.9'] },
  ],
  defaultRoute: 'eth0',
};

const nothing: UnderlayOptions = {
  interfaces: [],
  interfaceRegexes: [],
  canReach: undefined,
  publicIp: undefined,
};

const choose = (options: Partial<UnderlayOptions>, route?: RouteTo, on: HostNetwork = host) =>
  chooseInterface({ ...nothing, ...options }, on, route);

t.test('which interface and address are chosen, and why', async t => {
  const toEth1: RouteTo = { device: 'eth1', source: '198.51.100.1' };
  const cases: readonly (readonly [
    options: Partial<UnderlayOptions>,
    route: RouteTo | undefined,
    name: string,
    address: string,
    reason: string,
  ])[] = [
    [{}, undefined, 'eth0', '192.0.2.1', 'it has the default route'],
    [{ interfaces: ['eth1'] }, undefined, 'eth1', '198.51.100.1', '--iface eth1'],
    [{ interfaces: ['192.0.2.7'] }, undefined, 'eth0', '192.0.2.7', '--iface 192.0.2.7'],
    [{ interfaces: ['eth9', '10.0.0.1', 'eth1', 'eth0'] }, undefined, 'eth1', '198.51.100.1', '--iface eth1'],
    [{ interfaceRegexes: [/^eth1$/] }, undefined, 'eth1', '198.51.100.1', '--iface-regex ^eth1$'],
    [{ interfaceRegexes: [/\.7$/] }, undefined, 'eth0', '192.0.2.7', '--iface-regex \\.7$'],
    [{ interfaceRegexes: [/198/] }, undefined, 'eth1', '198.51.100.1', '--iface-regex 198'],
    [{ interfaceRegexes: [/nothing/, /^bond/] }, undefined, 'bond198', '203.0.113.1', '--iface-regex ^bond'],
    [{ canReach: '198.51.100.77' }, toEth1, 'eth1', '198.51.100.1', '--iface-can-reach 198.51.100.77'],
    [
      { canReach: '192.0.2.77' },
      { device: 'eth0', source: '192.0.2.7' },
      'eth0',
      '192.0.2.7',
      '--iface-can-reach 192.0.2.77',
    ],
    [
      { canReach: '192.0.2.77' },
      { device: 'eth0', source: undefined },
      'eth0',
      '192.0.2.1',
      '--iface-can-reach 192.0.2.77',
    ],
    [
      { interfaces: ['eth9'], interfaceRegexes: [/bond/], canReach: '1.1.1.1' },
      toEth1,
      'bond198',
      '203.0.113.1',
      '--iface-regex bond',
    ],
    [
      { interfaces: ['eth9'], interfaceRegexes: [/x/], canReach: '1.1.1.1' },
      toEth1,
      'eth1',
      '198.51.100.1',
      '--iface-can-reach 1.1.1.1',
    ],
    [{ publicIp: '198.51.100.1' }, undefined, 'eth1', '198.51.100.1', 'it has the public IP 198.51.100.1'],
  ];
  for (const [options, route, name, address, reason] of cases) {
    const chosen = choose(options, route);
    t.match(chosen, { name, address, reason, publicIp: options.publicIp ?? address });
    t.equal(chosen.mtu, host.interfaces.find(each => each.name === name)?.mtu);
  }
});

t.test('a public IP that is not on this host', async t => {
  t.match(choose({ publicIp: '8.8.8.8' }), {
    name: 'eth0',
    address: '192.0.2.1',
    publicIp: '8.8.8.8',
    reason: 'it has the default route',
  });
  t.match(choose({ publicIp: '192.0.2.7', interfaces: ['eth1'] }), {
    name: 'eth1',
    address: '198.51.100.1',
    publicIp: '192.0.2.7',
  });
});

t.test('when nothing fits, what was asked for and what there is are named', async t => {
  const there =
    'name one with --iface; there are eth0 (192.0.2.1, 192.0.2.7), eth1 (198.51.100.1), bond198 (203.0.113.1), ' +
    'bare (no IPv4 address), none (203.0.113.9)';
  const cases: readonly (readonly [options: Partial<UnderlayOptions>, on: HostNetwork, message: string])[] = [
    [
      { interfaces: ['eth9', '10.0.0.1'], interfaceRegexes: [/wl/], canReach: '1.1.1.1' },
      host,
      `no interface matches --iface eth9, --iface 10.0.0.1, --iface-regex wl, --iface-can-reach 1.1.1.1: ${there}`,
    ],
    [{ interfaces: ['eth9'], publicIp: '192.0.2.1' }, host, `no interface matches --iface eth9: ${there}`],
    [
      {},
      { ...host, defaultRoute: undefined },
      `there is no default route to choose an interface by: ${there}`,
    ],
    [
      {},
      { interfaces: [host.interfaces[0]!], defaultRoute: undefined },
      'there is no default route to choose an interface by: name one with --iface; there are none',
    ],
    [
      { interfaces: ['bare'] },
      host,
      'interface bare (--iface bare) has no IPv4 address: give it one, or name another with --iface',
    ],
    [{ interfaces: ['none'] }, host, 'interface none (--iface none) has no MTU: name another with --iface'],
  ];
  for (const [options, on, message] of cases) {
    t.throws(() => choose(options, undefined, on), new OperatorError(message), message);
  }
});
