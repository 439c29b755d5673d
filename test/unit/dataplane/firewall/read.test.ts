/** What nft 1.0.6 and iptables 1.8.9 print, as recorded. */
import t from 'tap';
import { masqueradeRules } from '../../../../src/dataplane/firewall/model.js';
import {
  parseNftTable,
  parseSavedTable,
  parseTableNames,
  UnreadableError,
} from '../../../../src/dataplane/firewall/read.js';
import { NFT_FILTER, NFT_OWN_TABLE, NFT_TABLES, SAVED } from './recorded.js';
import { WISH } from '../../../support/firewall.js';

t.test('our own table reads as what was written', async t => {
  const { chains, rules } = parseNftTable(NFT_OWN_TABLE);
  t.same([...chains], [['postrouting', 'nat postrouting 105']]);
  t.same(rules.get('postrouting'), masqueradeRules(WISH));
});

t.test('what no rule of ours could be is seen, and is not taken for one', async t => {
  const { chains, rules } = parseNftTable(NFT_FILTER);
  t.same(
    [...chains],
    [
      ['FLANNEL-FWD', ''],
      ['FORWARD', 'filter forward 0'],
    ],
  );
  t.same(rules.get('FORWARD'), [undefined], 'a jump');
  t.same(rules.get('FLANNEL-FWD'), [undefined], 'a counter and an extension of iptables');
  const variations: readonly (readonly [string, string])[] = [
    ['"op": "!="', '"op": "<"'],
    ['"right": 16384}', '"right": 16385}'],
    ['"key": "mark"', '"key": "priority"'],
    ['"masquerade": {"flags": "fully-random"}', '"masquerade": {"flags": ["fully-random", "persistent"]}'],
    ['"masquerade": {"flags": "fully-random"}', '"masquerade": {"port": 9, "flags": "fully-random"}'],
    ['"field": "saddr"', '"field": "daddr"'],
    ['"protocol": "ip"', '"protocol": "ip6"'],
    ['{"return": null}', '{"log": null}, {"return": null}'],
    ['{"return": null}', '{"return": null}, {"accept": null}'],
    ['{"addr": "10.5.0.0", "len": 16}', '{"addr": "10.5.0.0"}'],
  ];
  for (const [from, to] of variations) {
    const changed = parseNftTable(NFT_OWN_TABLE.replace(from, to));
    t.notSame(changed.rules.get('postrouting'), masqueradeRules(WISH), to);
  }
  const array = NFT_OWN_TABLE.replaceAll('"flags": "fully-random"', '"flags": ["fully-random"]');
  t.same(parseNftTable(array).rules.get('postrouting'), masqueradeRules(WISH), 'newer releases print a list');
});

t.test('tables of IPv4', async t => {
  t.same([...parseTableNames(NFT_TABLES)], ['selvedge-net', 'filter']);
});

t.test('what is not nft at all', async t => {
  const texts = ['', 'Error: JSON support not compiled-in', '[]', '{}', '{"nftables": 1}', 'null'];
  for (const text of texts) t.throws(() => parseTableNames(text), UnreadableError, text);
  const odd =
    '{"nftables": [null, 1, {"chain": null}, {"rule": {"chain": "x", "expr": 1}}, {"chain": {"name": 5}}]}';
  t.same([...parseNftTable(odd).rules], [['5', []]]);
});

t.test('iptables-save: policies, chains and rules of one table', async t => {
  const filter = parseSavedTable(SAVED, 'filter')!;
  t.same(
    [...filter.policies],
    [
      ['INPUT', 'ACCEPT'],
      ['FORWARD', 'DROP'],
      ['OUTPUT', 'ACCEPT'],
    ],
  );
  t.same(filter.rules.get('FORWARD'), [
    '-m comment --comment "flanneld forward" -j FLANNEL-FWD',
    '-p tcp -m multiport --dports 80,443 -m comment --comment "it\\\'s \\"mine\\" $(x)" -j REJECT --reject-with icmp-host-prohibited',
  ]);
  t.same(filter.rules.get('OUTPUT'), []);
  t.equal(parseSavedTable(SAVED, 'nat')?.rules.get('FLANNEL-POSTRTG')?.length, 6);
  t.equal(parseSavedTable('# nothing\n', 'nat'), undefined);
});
