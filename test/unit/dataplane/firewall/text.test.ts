/** What nft and iptables-restore are given. */
import t from 'tap';
import {
  chainLines,
  formatIptablesRule,
  restoreText,
} from '../../../../src/dataplane/firewall/iptables-text.js';
import {
  firewallNamesOf,
  forwardRules,
  isUsableInRules,
  masqueradeRules,
} from '../../../../src/dataplane/firewall/model.js';
import { formatNftRule, nftReplaceTable } from '../../../../src/dataplane/firewall/nft-text.js';
import { WISH } from '../../../support/firewall.js';

t.test('the masquerade for nft: one transaction that replaces the table', async t => {
  t.equal(
    nftReplaceTable('selvedge-net', masqueradeRules(WISH), ['flannel-ipv4']),
    `add table ip selvedge-net
delete table ip selvedge-net
delete table ip flannel-ipv4
add table ip selvedge-net
add chain ip selvedge-net postrouting { type nat hook postrouting priority 105; policy accept; }
add rule ip selvedge-net postrouting meta mark & 0x4000 == 0x4000 return
add rule ip selvedge-net postrouting ip saddr 10.5.0.0/16 ip daddr 10.5.0.0/16 return
add rule ip selvedge-net postrouting ip saddr != 10.5.0.0/16 ip daddr 10.5.1.0/24 return
add rule ip selvedge-net postrouting ip saddr 10.5.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random
add rule ip selvedge-net postrouting ip saddr != 10.5.0.0/16 ip daddr 10.5.0.0/16 masquerade fully-random
`,
  );
});

t.test('the same for iptables', async t => {
  const rules = masqueradeRules({ ...WISH, masquerade: 'kernel-ports' });
  t.equal(
    restoreText('nat', chainLines('SELVEDGE-MASQ-net', rules)),
    `*nat
:SELVEDGE-MASQ-net - [0:0]
-A SELVEDGE-MASQ-net -m mark --mark 0x4000/0x4000 -j RETURN
-A SELVEDGE-MASQ-net -s 10.5.0.0/16 -d 10.5.0.0/16 -j RETURN
-A SELVEDGE-MASQ-net ! -s 10.5.0.0/16 -d 10.5.1.0/24 -j RETURN
-A SELVEDGE-MASQ-net -s 10.5.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE
-A SELVEDGE-MASQ-net ! -s 10.5.0.0/16 -d 10.5.0.0/16 -j MASQUERADE
COMMIT
`,
  );
  t.same(masqueradeRules({ ...WISH, masquerade: 'off' }), []);
});

t.test('what FORWARD must let through: the overlay, by the devices that carry it, and no other', async t => {
  const rules = forwardRules({ ...WISH, forwardDevices: ['flannel.1', 'eth0'] });
  t.same(rules.map(formatIptablesRule), [
    '-s 10.5.0.0/16 -d 10.5.1.0/24 -i flannel.1 -j ACCEPT',
    '-s 10.5.1.0/24 -d 10.5.0.0/16 -o flannel.1 -j ACCEPT',
    '-s 10.5.0.0/16 -d 10.5.1.0/24 -i eth0 -j ACCEPT',
    '-s 10.5.1.0/24 -d 10.5.0.0/16 -o eth0 -j ACCEPT',
  ]);
  t.same(rules.slice(0, 2).map(formatNftRule), [
    'ip saddr 10.5.0.0/16 ip daddr 10.5.1.0/24 iifname "flannel.1" accept',
    'ip saddr 10.5.1.0/24 ip daddr 10.5.0.0/16 oifname "flannel.1" accept',
  ]);
});

t.test('names fit a chain, and two instances never share one', async t => {
  t.same(firewallNamesOf('net'), {
    nftTable: 'selvedge-net',
    masqueradeChain: 'SELVEDGE-MASQ-net',
    forwardChain: 'SELVEDGE-FWD-net',
  });
  const long = [
    'a'.repeat(13),
    'a'.repeat(14),
    'a'.repeat(32),
    `${'a'.repeat(31)}b`,
    `${'a'.repeat(5)}-1234567`,
  ];
  const chains = long.flatMap(instance => {
    const { masqueradeChain, forwardChain } = firewallNamesOf(instance);
    return [masqueradeChain, forwardChain];
  });
  t.ok(chains.every(name => name.length <= 28));
  t.equal(new Set(chains).size, chains.length);
});

t.test('device names that a rule would read as something else', async t => {
  t.same(
    ['eth0', 'flannel.1', 'br-0a1b', 'vlan@eth0'].filter(name => !isUsableInRules(name)),
    [],
  );
  t.same(['eth+', '!eth0', '-j', 'a"b', "a'b", 'a\nb', ''].filter(isUsableInRules), []);
});
