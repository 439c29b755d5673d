/** Rules of iptables that drop what goes between subnets; those of nftables are judged as nft prints them, in test/netns. */
import t from 'tap';
import { findSubnetDrops } from '../../../../src/dataplane/firewall/subnet-drops.js';
import { prefix } from '../../../support/dataplane.js';

const OVERLAY = {
  subnets: ['10.5.2.0/24', '10.5.3.0/24', '10.5.1.0/24'].map(prefix),
  device: 'flannel.1',
  bridges: ['docker0'],
};

const judge = (rules: readonly string[], overlay: Parameters<typeof findSubnetDrops>[2] = OVERLAY) =>
  findSubnetDrops(
    [
      {
        variant: 'nft',
        filter: { policies: new Map([['FORWARD', 'ACCEPT']]), rules: new Map([['FORWARD', rules]]) },
        nat: undefined,
      },
    ],
    '',
    overlay,
  );

t.test('a rule that names a peer’s subnet, or the network, or the device', async t => {
  const table: readonly (readonly [rules: readonly string[], subnets: readonly string[]])[] = [
    [['-s 10.5.2.0/24 -j DROP'], ['10.5.2.0']],
    [['-s 10.5.0.0/16 -j REJECT --reject-with icmp-port-unreachable'], ['10.5.2.0', '10.5.3.0', '10.5.1.0']],
    [['-i flannel.1 -j DROP'], ['10.5.2.0', '10.5.3.0', '10.5.1.0']],
    [['-d 10.5.3.0/24 -i docker0 -j DROP'], ['10.5.3.0']],
    [
      ['-j DOCKER-USER', '-s 10.5.2.0/24 -d 10.5.1.0/24 -j DROP'],
      ['10.5.2.0', '10.5.1.0'],
    ],
  ];
  for (const [rules, subnets] of table) {
    const [found, ...more] = judge(rules);
    t.same(
      found?.subnets.map(({ address }) => address),
      subnets,
      rules.join(),
    );
    t.match(found, { chain: 'iptables-nft FORWARD', rule: `-A FORWARD ${rules.at(-1)!}` });
    t.same(more, []);
  }
});

t.test('a rule of something else says nothing', async t => {
  const table: readonly (readonly string[])[] = [
    ['-s 10.5.2.7/32 -j DROP'],
    ['-s 10.5.2.0/24 -p tcp -m tcp --dport 25 -j DROP'],
    ['-s 10.5.0.0/16 -o eth0 -j DROP'],
    ['-s 10.5.0.0/16 -d 192.168.0.0/16 -j DROP'],
    ['-i eth0 -o docker0 -j DROP'],
    ['-i docker0 -o docker0 -j DROP'],
    ['! -s 10.5.0.0/16 -i flannel.1 -j DROP'],
    ['-s 10.5.0.0/16 -j ACCEPT', '-s 10.0.0.0/8 -j DROP'],
    ['-s 10.9.0.0/16 -j DROP'],
    ['-j DROP'],
  ];
  for (const rules of table) t.same(judge(rules), [], rules.join());
  t.same(
    judge(['-i eth0 -j DROP'], { ...OVERLAY, device: undefined }),
    [],
    'without a device of the overlay',
  );
});
