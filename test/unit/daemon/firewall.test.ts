/** The firewall in an agent's life: what is wished, shown, planned on paper, and taken away. */
import t, { type Test } from 'tap';
import { configureBackend } from '../../../src/backends/registry.js';
import { createFirewallKeeper, firewallWishOf, removeFirewall } from '../../../src/daemon/firewall.js';
import type { PlannedChange } from '../../../src/daemon/plan/changes.js';
import { dryFirewall } from '../../../src/daemon/plan/dry-firewall.js';
import type { Firewall } from '../../../src/dataplane/firewall/firewall.js';
import type { FirewallWish } from '../../../src/dataplane/firewall/model.js';
import { NETWORK, subnetOf, UNDERLAY, vtepOf } from '../../support/dataplane.js';
import { heldFirewall, WISH } from '../../support/firewall.js';
import { PaperFirewall } from '../../support/paper-firewall.js';
import { recordedLog } from '../../support/recorded-log.js';
import { answered, build, options, optionsWith } from '../../support/status-facts.js';

const underlay = { device: UNDERLAY, address: vtepOf(1), publicIp: vtepOf(1), mtu: 1500, routes: [] };
const self = { subnets: { ipv4: subnetOf(1) }, underlay, mac: undefined };

function wishWith(flags: Record<string, string[]>, type: string, settings: Record<string, unknown> = {}) {
  const configured = configureBackend(type, settings);
  if (!configured.ok) throw new Error(type);
  return firewallWishOf(optionsWith(flags), NETWORK, configured.backend, self);
}

/** Lets a keeper work until it has looked. */
async function looked(t: Test, firewall: Firewall, wish: FirewallWish = WISH) {
  let onLook: () => void = () => undefined;
  const hasLooked = new Promise<void>(resolve => (onLook = resolve));
  const keeper = createFirewallKeeper(options, firewall, recordedLog().log, onLook);
  const abort = new AbortController();
  const running = keeper.run(abort.signal);
  keeper.want(wish);
  await hasLooked;
  abort.abort();
  await running;
  t.type(keeper.view.lookedAt, 'number');
  return keeper;
}

t.test('what is wished, by options and backend', async t => {
  t.match(wishWith({}, 'vxlan'), { masquerade: 'off', forwardDevices: ['flannel.1'], subnet: subnetOf(1) });
  t.match(wishWith({ 'ip-masq': ['true'] }, 'host-gw'), {
    masquerade: 'random-ports',
    forwardDevices: [UNDERLAY],
  });
  t.match(wishWith({}, 'vxlan', { DirectRouting: true }).forwardDevices, ['flannel.1', UNDERLAY]);
  const plain = { 'ip-masq': ['true'], 'ip-masq-fully-random-disable': ['true'] };
  t.match(wishWith(plain, 'vxlan').masquerade, 'kernel-ports');
  t.same(wishWith({ 'iptables-forward-rules': ['false'] }, 'vxlan').forwardDevices, []);
});

t.test('status: in place, and nothing is wrong', async t => {
  const facts = answered();
  t.equal(build(facts).firewall, null);
  facts.firewall = await looked(t, new PaperFirewall());
  t.match(build(facts).firewall, {
    masquerade: { tool: 'iptables-nft', inPlace: true, error: null, withoutNft: 'nft is not installed' },
    forward: [{ tool: 'iptables-nft', inPlace: true, error: null }],
    repairs: 0,
    checkedAt: /T/,
  });
  t.same(
    build(facts).problems.filter(({ code }) => /firewall|masq|forward/.test(code)),
    [],
  );
});

t.test('status: what cannot be done, each with its problem', async t => {
  const facts = answered();
  const refusing = new PaperFirewall();
  refusing.refuse = ({ text }) => (text.startsWith('*nat') ? 'no nat' : 'locked');
  facts.firewall = await looked(t, refusing);
  t.match(build(facts).problems.slice(-2), [
    {
      code: 'masquerade-missing',
      seen: /no nat \(nor by nft: nft is not installed\)$/,
      next: 'iptables-nft-save -t nat',
    },
    { code: 'forward-dropped', seen: /iptables-nft drops .* locked$/, next: 'iptables-nft -S FORWARD' },
  ]);
  const bare = new PaperFirewall();
  bare.read = () => Promise.resolve(heldFirewall());
  facts.firewall = await looked(t, bare);
  t.match(build(facts).problems.at(-1), { code: 'masquerade-missing', next: /install nftables/ });
  facts.firewall = await looked(t, bare, { ...WISH, masquerade: 'off' });
  t.same(
    build(facts).problems.filter(({ code }) => code === 'masquerade-missing'),
    [],
    'nobody needs it',
  );
  const unread = { variant: 'legacy', held: { ok: false, error: 'permission denied' } } as const;
  bare.read = () => Promise.resolve({ nft: undefined, iptables: [unread] });
  facts.firewall = await looked(t, bare, { ...WISH, masquerade: 'off' });
  t.match(build(facts).problems.at(-1), { code: 'firewall-trouble', seen: /permission denied/ });
});

t.test('on paper: each change noted once, and none made', async t => {
  const changes: PlannedChange[] = [];
  const firewall = new PaperFirewall();
  const dry = dryFirewall(firewall, change => changes.push(change));
  await looked(t, dry);
  await looked(t, dry);
  t.same(changes, [
    { where: 'firewall', action: 'create', what: 'iptables-nft chain SELVEDGE-FWD-net of table filter' },
    { where: 'firewall', action: 'create', what: 'iptables-nft chain SELVEDGE-MASQ-net of table nat' },
  ]);
  t.same(firewall.applied, []);
});

t.test('cleanup: ours goes, told line by line; on a dry run it stays', async t => {
  const firewall = new PaperFirewall();
  await looked(t, firewall);
  const said: string[] = [];
  const say = (line: string) => said.push(line);
  await removeFirewall(firewall, { instance: 'net', dryRun: true }, say);
  t.ok(firewall.filter.rules.has('SELVEDGE-FWD-net'));
  await removeFirewall(firewall, { instance: 'net', dryRun: false }, say);
  t.same([...firewall.filter.rules.keys(), ...firewall.nat.rules.keys()], ['FORWARD', 'POSTROUTING']);
  const lines = [
    'remove iptables-nft chain SELVEDGE-MASQ-net of table nat',
    'remove iptables-nft chain SELVEDGE-FWD-net of table filter',
  ];
  t.same(said, [...lines, ...lines]);
  const clean = () => removeFirewall(firewall, { instance: 'net', dryRun: false }, say);
  firewall.read = () => Promise.resolve({ nft: { ok: false, error: 'nft: no' }, iptables: [] });
  t.equal(await clean(), 'what is left in the firewall is not known: nft: no');
  firewall.read = () => Promise.resolve({ nft: undefined, noNft: 'no nf_tables', iptables: [] });
  t.equal(await clean(), undefined, 'where nft can hold nothing, nothing is left');
  const refusing = new PaperFirewall();
  await looked(t, refusing);
  refusing.refuse = () => 'locked';
  t.equal(await removeFirewall(refusing, { instance: 'net', dryRun: false }, say), 'locked');
});
