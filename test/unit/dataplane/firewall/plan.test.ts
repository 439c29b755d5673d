/** What would be changed, for hosts of all kinds. */
import t from 'tap';
import type { HeldFirewall } from '../../../../src/dataplane/firewall/held.js';
import { masqueradeRules } from '../../../../src/dataplane/firewall/model.js';
import { hostWithoutNft, planFirewall, type FirewallPlan } from '../../../../src/dataplane/firewall/plan.js';
import { parseNftTable } from '../../../../src/dataplane/firewall/read.js';
import { prefix } from '../../../support/dataplane.js';
import { heldFirewall, NAMES, restored, savedTable, WISH } from '../../../support/firewall.js';
import { FLANNEL_FILTER, FLANNEL_NAT, NFT_OWN_TABLE } from './recorded.js';

const EMPTY_FILTER = ':INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]';
const DOCKER_FILTER = `:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER-USER -j RETURN`;
const OWN = parseNftTable(NFT_OWN_TABLE);
const FLANNEL_TABLE = {
  chains: new Map([['postrtg', 'nat postrouting 100']]),
  rules: new Map([
    ['postrtg', [{ from: '10.5.0.0/16', notTo: '224.0.0.0/4', verdict: 'masquerade' as const }]],
  ]),
};

/** Everything that would be done, in words. */
const changesOf = ({ masquerade, forward, removals }: FirewallPlan): string[] =>
  [masquerade?.change, ...forward.map(({ change }) => change), ...removals].flatMap(change =>
    change === undefined ? [] : [`${change.action} ${change.what}`],
  );
const plan = (held: Parameters<typeof heldFirewall>[0], wish: typeof WISH | undefined = WISH) =>
  planFirewall(wish, heldFirewall(held), NAMES);

t.test('the masquerade by nft', async t => {
  const fresh = plan({ nft: {} });
  t.same(changesOf(fresh), ['create nft table ip selvedge-net']);
  const { rules } = parseNftTable(NFT_OWN_TABLE);
  t.same(changesOf(plan({ nft: { own: OWN } })), [], 'in place');
  const damages = {
    'a rule is missing': rules.get('postrouting')!.slice(1),
    'two have changed places': rules.get('postrouting')!.toReversed(),
    'one stands in between that is not ours': [undefined, ...rules.get('postrouting')!],
  };
  for (const [what, damaged] of Object.entries(damages)) {
    const own = { ...OWN, rules: new Map([['postrouting', damaged]]) };
    t.same(changesOf(plan({ nft: { own } })), ['change nft table ip selvedge-net'], what);
  }
  const moved = { ...OWN, chains: new Map([['postrouting', 'nat postrouting 100']]) };
  t.same(changesOf(plan({ nft: { own: moved } })), ['change nft table ip selvedge-net'], 'another priority');
  t.same(changesOf(plan({ nft: { own: OWN } }, { ...WISH, masquerade: 'off' })), [
    'remove nft table ip selvedge-net',
  ]);
});

t.test('the masquerade by iptables, where nft is missing', async t => {
  const fresh = plan({ iptables: { legacy: {} } });
  t.same(changesOf(fresh), ['create iptables-legacy chain SELVEDGE-MASQ-net of table nat']);
  const nat = savedTable(':POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j THEIRS\n:THEIRS - [0:0]', 'nat');
  const { text } = fresh.masquerade!.change!;
  const after = restored(nat, text);
  t.same(after.rules.get('POSTROUTING'), ['-j THEIRS', '-j SELVEDGE-MASQ-net'], 'last: others win');
  t.equal(after.rules.get('SELVEDGE-MASQ-net')?.length, masqueradeRules(WISH).length);
  const none = { nft: undefined, iptables: [] };
  const masqueradeOf = (held: HeldFirewall) => planFirewall(WISH, held, NAMES).masquerade;
  t.match(masqueradeOf(none), { tool: undefined, error: 'neither nft nor iptables is installed' });
  t.match(masqueradeOf({ ...none, noNft: 'no nf_tables' }), { error: /^no nf_tables, and iptables-legacy/ });
  t.match(masqueradeOf({ ...none, nft: { ok: false, error: 'old' } }), { tool: 'nft', error: 'old' });
});

t.test('nft that cannot do it: iptables does, the first variant that can be read', async t => {
  const given = heldFirewall({ iptables: { nft: { filter: DOCKER_FILTER }, legacy: { nat: FLANNEL_NAT } } });
  const tooOld = { ok: false, error: 'nft: too old' } as const;
  const first = planFirewall(WISH, { ...given, nft: tooOld }, NAMES);
  t.match(first.masquerade, { tool: 'iptables-nft', error: undefined, withoutNft: 'nft: too old' });
  t.same(changesOf(first), [
    'create iptables-nft chain SELVEDGE-MASQ-net of table nat',
    'create iptables-nft chain SELVEDGE-FWD-net of table filter',
    'remove iptables-legacy chain FLANNEL-POSTRTG of table nat',
  ]);
  const unread = { variant: 'nft', held: { ok: false, error: 'locked' } } as const;
  const second = planFirewall(WISH, { nft: tooOld, iptables: [unread, given.iptables[1]!] }, NAMES);
  t.match(second, { masquerade: { tool: 'iptables-legacy', error: undefined }, unread: ['locked'] });
  const third = planFirewall(WISH, { nft: undefined, noNft: 'no nf_tables', iptables: [unread] }, NAMES);
  t.match(third.masquerade, { tool: 'iptables-nft', error: 'locked', withoutNft: 'no nf_tables' });
});

t.test(
  'when a host is made do without nft: not where a table of ours is, nor where nothing else is',
  async t => {
    const iptables = { legacy: {} };
    const without = hostWithoutNft(heldFirewall({ nft: {}, iptables }), 'refused');
    t.match(without?.nft, { ok: false, error: 'refused' });
    t.equal(hostWithoutNft(heldFirewall({ nft: { own: OWN }, iptables }), 'refused'), undefined);
    t.equal(hostWithoutNft(heldFirewall({ nft: {} }), 'refused'), undefined);
    t.equal(hostWithoutNft(without!, 'refused'), undefined, 'nor twice');
  },
);

t.test('FORWARD: only where it drops, in every variant that does', async t => {
  const wish = { ...WISH, masquerade: 'off' as const };
  const changes = (nft: string, legacy?: string) =>
    changesOf(
      plan(
        { iptables: { nft: { filter: nft }, ...(legacy !== undefined && { legacy: { filter: legacy } }) } },
        wish,
      ),
    );
  const create = (variant: string) => `create iptables-${variant} chain SELVEDGE-FWD-net of table filter`;
  t.same(changes(EMPTY_FILTER), []);
  t.same(changes(DOCKER_FILTER), [create('nft')]);
  t.same(changes(EMPTY_FILTER, DOCKER_FILTER), [create('legacy')]);
  t.same(changes(DOCKER_FILTER, DOCKER_FILTER), [create('nft'), create('legacy')]);
  t.same(changes(`${EMPTY_FILTER}\n-A FORWARD -j REJECT`), [], "an admin's own end of the chain is his");
  const held = { iptables: { nft: { filter: DOCKER_FILTER } } };
  t.same(changesOf(plan(held, { ...wish, forwardDevices: [] })), [], 'and not when it is not wanted');
  t.match(plan(held, { ...wish, forwardDevices: ['eth+'] }).forward, [
    { change: undefined, error: /"eth\+"/ },
  ]);
});

t.test('the jump is appended, once, and what others have stays as it is', async t => {
  const before = savedTable(DOCKER_FILTER);
  const { text } = plan({ iptables: { nft: { filter: DOCKER_FILTER } } }).forward[0]!.change!;
  const after = restored(before, text);
  t.same(after.rules.get('FORWARD'), [...before.rules.get('FORWARD')!, '-j SELVEDGE-FWD-net']);
  t.same(after.rules.get('DOCKER-USER'), before.rules.get('DOCKER-USER'));
  const twice = `${DOCKER_FILTER}\n:SELVEDGE-FWD-net - [0:0]\n-A FORWARD -j SELVEDGE-FWD-net\n-A FORWARD -j SELVEDGE-FWD-net`;
  const mend = plan({ iptables: { nft: { filter: twice } } }).forward[0]!.change!;
  t.equal(mend.action, 'change');
  t.same(restored(savedTable(twice), mend.text).rules, after.rules);
});

t.test('a policy that drops no more, and a clean-up: ours goes, whatever jumps to it', async t => {
  const left = `${EMPTY_FILTER}\n:MINE - [0:0]\n:SELVEDGE-FWD-net - [0:0]\n-A FORWARD -j SELVEDGE-FWD-net\n-A MINE -s 10.0.0.1/32 -j SELVEDGE-FWD-net\n-A SELVEDGE-FWD-net -j ACCEPT`;
  for (const wish of [WISH, undefined]) {
    const { removals, forward } = planFirewall(
      wish,
      heldFirewall({ iptables: { legacy: { filter: left } } }),
      NAMES,
    );
    t.same(forward, []);
    t.match(removals, [{ tool: 'iptables-legacy', action: 'remove' }]);
    const after = restored(savedTable(left), removals[0]!.text);
    t.same(after.rules.get('FORWARD'), []);
    t.notOk(after.rules.has('SELVEDGE-FWD-net'));
  }
});

t.test("flanneld's rules: ours first, in their place, then theirs go", async t => {
  const held = {
    nft: { flannel: FLANNEL_TABLE },
    iptables: { nft: { filter: FLANNEL_FILTER, nat: FLANNEL_NAT }, legacy: { nat: FLANNEL_NAT } },
  };
  const { masquerade, forward, removals } = plan(held);
  t.match(masquerade?.change?.text, /\ndelete table ip flannel-ipv4\nadd table ip selvedge-net\n/);
  t.same(
    removals.map(({ what }) => what),
    ['iptables-nft chain FLANNEL-POSTRTG of table nat', 'iptables-legacy chain FLANNEL-POSTRTG of table nat'],
  );
  const nat = restored(savedTable(FLANNEL_NAT, 'nat'), removals[0]!.text);
  t.same(nat.rules.get('POSTROUTING'), []);
  t.notOk(nat.rules.has('FLANNEL-POSTRTG'));
  const filter = restored(savedTable(FLANNEL_FILTER), forward[0]!.change!.text);
  t.match(filter.rules.get('FORWARD'), ['-j SELVEDGE-FWD-net', /multiport/], 'in one transaction');
  t.notOk(filter.rules.has('FLANNEL-FWD'));
  const rejecting = FLANNEL_FILTER.replace('FORWARD DROP', 'FORWARD ACCEPT').replace(
    /-p tcp .*/,
    '-j REJECT',
  );
  t.equal(
    plan({ iptables: { nft: { filter: rejecting } } }).forward.length,
    1,
    'a REJECT behind it drops too',
  );
});

t.test(
  "flanneld's rules stay where they are needed: another network's, or without a masquerade of ours",
  async t => {
    const shared = `${FLANNEL_NAT}\n-A FLANNEL-POSTRTG -s 10.9.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE`;
    const { removals } = plan({ nft: { own: OWN }, iptables: { nft: { nat: shared } } });
    const after = restored(savedTable(shared, 'nat'), removals[0]!.text);
    t.match(after.rules.get('FLANNEL-POSTRTG'), [/mark/, /^-s 10.9.0.0/]);
    t.equal(after.rules.get('POSTROUTING')?.length, 1);
    const other = { ...WISH, network: prefix('10.9.0.0/16'), subnet: prefix('10.9.1.0/24') };
    const held = {
      nft: { flannel: FLANNEL_TABLE },
      iptables: { nft: { nat: FLANNEL_NAT, filter: FLANNEL_FILTER } },
    };
    const { masquerade, forward, removals: none } = plan(held, other);
    t.notMatch(masquerade?.change?.text, /flannel/);
    t.notMatch(forward[0]?.change?.text, /-[DX] .*FLANNEL/);
    t.same(none, []);
    t.same(
      changesOf(
        plan(
          { nft: { flannel: FLANNEL_TABLE }, iptables: { nft: { nat: FLANNEL_NAT } } },
          { ...WISH, masquerade: 'off' },
        ),
      ),
      [],
    );
  },
);

t.test('once it is all in place, nothing is left to do', async t => {
  const first = plan({ iptables: { nft: { filter: FLANNEL_FILTER, nat: FLANNEL_NAT } } });
  const filter = restored(savedTable(FLANNEL_FILTER), first.forward[0]!.change!.text);
  const nat = restored(savedTable(FLANNEL_NAT, 'nat'), first.masquerade!.change!.text);
  const held = { ok: true, value: { variant: 'nft', filter, nat } } as const;
  const second = planFirewall(WISH, { nft: undefined, iptables: [{ variant: 'nft', held }] }, NAMES);
  t.same(changesOf(second), []);
  t.match(second, { masquerade: { error: undefined }, forward: [{ tool: 'iptables-nft' }], unread: [] });
});
