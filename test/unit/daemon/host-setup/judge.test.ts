/** What is lacking, from what was read. */
import t from 'tap';
import { closedIptablesChains, closedNftChains } from '../../../../src/daemon/host-setup/input-chains.js';
import { judgeHost, type HostReading } from '../../../../src/daemon/host-setup/judge.js';

const GOOD: HostReading = {
  ipForward: '1',
  rpFilterOfAll: '0',
  devices: [{ name: 'flannel.1', rpFilter: '0' }],
  dockerForwards: true,
  networkdRemovesRoutes: undefined,
  networkManagerTakesDevices: undefined,
  hiddenTables: undefined,
  closedChains: [],
  port: 8472,
};

t.test('a host that lacks nothing, and one that lacks each thing', async t => {
  t.same(judgeHost(GOOD), []);
  const forward = { kind: 'sysctl', path: 'net/ipv4/ip_forward', value: '1' };
  const loose = { kind: 'sysctl', path: 'net/ipv4/conf/flannel.1/rp_filter', value: '2' };
  const table: readonly (readonly [name: string, host: Partial<HostReading>, remedies: readonly object[]])[] =
    [
      ['Docker will switch forwarding on, and must be the one', { ipForward: '0' }, []],
      ['nobody will', { ipForward: '0', dockerForwards: undefined }, [forward]],
      ['Docker is told not to', { ipForward: '0', dockerForwards: false }, [forward]],
      ['no word from the kernel', { ipForward: undefined, dockerForwards: undefined }, []],
      ['strict for all', { rpFilterOfAll: '1' }, [loose]],
      ['strict for the device', { devices: [{ name: 'flannel.1', rpFilter: '1' }] }, [loose]],
      ['loose wins over strict', { rpFilterOfAll: '1', devices: [{ name: 'flannel.1', rpFilter: '2' }] }, []],
      ['no device yet', { rpFilterOfAll: '1', devices: [] }, []],
      [
        'networkd',
        { networkdRemovesRoutes: true },
        [{ kind: 'by-hand', next: /install-units; systemctl restart systemd-networkd/ }],
      ],
      ['a kernel with legacy iptables built in', { hiddenTables: '/f' }, [{ kind: 'readable', path: '/f' }]],
      ['networkd is told', { networkdRemovesRoutes: false }, []],
      ['NetworkManager', { networkManagerTakesDevices: true }, [{ kind: 'by-hand', next: /nmcli/ }]],
      ['a firewall', { closedChains: ['inet filter input'] }, [{ kind: 'by-hand', next: /8472/ }]],
      ['a firewall, and no overlay', { closedChains: ['inet filter input'], port: undefined }, []],
    ];
  for (const [name, host, remedies] of table) {
    const found = judgeHost({ ...GOOD, ...host }).map(({ remedy }) => remedy);
    t.equal(found.length, remedies.length, name);
    t.match(found, remedies, name);
  }
});

t.test('chains of iptables', async t => {
  const table: readonly (readonly [rules: string, isClosed: boolean])[] = [
    ['-P INPUT ACCEPT\n', false],
    ['-P INPUT DROP\n', true],
    ['-P INPUT DROP\n-A INPUT -p udp -m udp --dport 8472 -j ACCEPT\n', false],
    ['-P INPUT DROP\n-A INPUT -j mine\n-A mine -p udp -m multiport --dports 500,8472 -j ACCEPT\n', false],
    ['-P INPUT DROP\n-A INPUT -p udp -m udp --dport 84721 -j ACCEPT\n', true],
    [
      '-P INPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j REJECT --reject-with icmp-host-prohibited\n',
      true,
    ],
    ['-P INPUT ACCEPT\n-A INPUT -s 10.0.0.1/32 -j DROP\n', false],
    ['-P INPUT ACCEPT\n-P FORWARD DROP\n-A FORWARD -j DROP\n', false],
    ['', false],
  ];
  for (const [rules, isClosed] of table)
    t.same(closedIptablesChains(rules, 8472, 'x'), isClosed ? ['x INPUT'] : [], JSON.stringify(rules));
});

t.test('what is no ruleset closes nothing', async t => {
  for (const text of ['', 'null', '{}', '[]', '{"nftables":[{"metainfo":{}}]}', 'x'])
    t.same(closedNftChains(text, 8472), [], text);
});
