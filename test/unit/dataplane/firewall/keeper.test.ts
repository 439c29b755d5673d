/** When the packet filter is looked at and changed, over one on paper. */
import t, { type Test } from 'tap';
import { FirewallKeeper } from '../../../../src/dataplane/firewall/keeper.js';
import type { FirewallWish } from '../../../../src/dataplane/firewall/model.js';
import { parseNftTable } from '../../../../src/dataplane/firewall/read.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { NAMES, savedTable, WISH } from '../../../support/firewall.js';
import { DROPPING, PaperFirewall } from '../../../support/paper-firewall.js';
import { recordedLog } from '../../../support/recorded-log.js';
import { FLANNEL_NAT, NFT_OWN_TABLE } from './recorded.js';

const ONLY_FORWARD: FirewallWish = { ...WISH, masquerade: 'off' };

function start(t: Test, firewall = new PaperFirewall()) {
  const clock = new FakeClock();
  const { log, lines } = recordedLog();
  const keeper = new FirewallKeeper({ firewall, names: NAMES, log, now: clock.now, sleep: clock.sleep });
  const abort = new AbortController();
  const running = keeper.run(abort.signal);
  t.teardown(async () => {
    abort.abort();
    await running;
  });
  return { firewall, keeper, clock, news: () => lines.splice(0).map(({ msg }) => msg) };
}

t.test('nothing is looked at before there is a lease', async t => {
  const { firewall, keeper, clock } = start(t);
  firewall.announce();
  await clock.pass(60_000);
  t.equal(firewall.reads, 0);
  t.match(keeper.view, { lookedAt: undefined, masquerade: undefined, forward: [] });
});

t.test('what is wished is put in place, and put back', async t => {
  const { firewall, keeper, clock, news } = start(t);
  keeper.want(ONLY_FORWARD);
  await clock.pass(1_000);
  t.match(keeper.view.forward, [{ tool: 'iptables-nft', isInPlace: true, error: undefined }]);
  t.equal(firewall.applied.length, 1);
  t.same(news(), ['firewall: create iptables-nft chain SELVEDGE-FWD-net of table filter']);
  const { reads } = firewall;
  await clock.pass(600_000);
  keeper.want({ ...ONLY_FORWARD });
  await clock.pass(1_000);
  t.equal(firewall.reads, reads, 'without a reason there is no other look');
  firewall.flush();
  await clock.pass(1_000);
  t.equal(firewall.applied.length, 2);
  t.equal(keeper.view.repairs, 1);
  t.same(news(), ['firewall: repaired iptables-nft chain SELVEDGE-FWD-net of table filter']);
});

t.test('a flock of announcements is one look or two', async t => {
  const { firewall, keeper, clock } = start(t);
  keeper.want(ONLY_FORWARD);
  await clock.pass(1_000);
  const { reads } = firewall;
  for (let i = 0; i < 50; i++) {
    firewall.announce();
    await clock.pass(1);
  }
  await clock.pass(1_000);
  t.ok(firewall.reads - reads <= 2, `${firewall.reads - reads} looks`);
});

t.test('legacy iptables, which announces nothing, is glanced at every 10 s', async t => {
  const { firewall, keeper, clock } = start(t);
  keeper.want(ONLY_FORWARD);
  await clock.pass(20_000);
  const { reads } = firewall;
  firewall.filter = savedTable(DROPPING);
  firewall.legacyText = 'changed';
  await clock.pass(10_000);
  t.equal(firewall.reads, reads + 1);
  t.equal(keeper.view.repairs, 1);
});

t.test('a refusal: told once, tried again ever later, and told when it is over', async t => {
  const { firewall, keeper, clock, news } = start(t);
  let tries = 0;
  firewall.refuse = () => `iptables-nft-restore: exit code ${++tries > 0 ? 1 : 0}`;
  keeper.want(ONLY_FORWARD);
  await clock.pass(60_000);
  t.match(keeper.view.forward, [{ isInPlace: false, error: /exit code 1/ }]);
  t.ok(tries > 3 && tries < 12, `${tries} tries in a minute`);
  t.same(news(), ['firewall: iptables-nft-restore: exit code 1']);
  firewall.refuse = () => undefined;
  await clock.pass(31_000);
  t.match(keeper.view.forward, [{ isInPlace: true, error: undefined }]);
  t.match(news(), [/create/, 'firewall: all is in place again']);
});

t.test('nft that refuses: iptables does it meanwhile, and nft once it works', async t => {
  const firewall = new PaperFirewall();
  firewall.nft = { ok: true, value: { own: undefined, flannel: undefined } };
  firewall.nftTable = parseNftTable(NFT_OWN_TABLE);
  let tries = 0;
  firewall.refuse = ({ tool }) => (tool === 'nft' ? `no nat chains, ${++tries}` : undefined);
  const { keeper, clock, news } = start(t, firewall);
  keeper.want(WISH);
  await clock.pass(500_000);
  const inPlace = { isInPlace: true, error: undefined };
  t.match(keeper.view.masquerade, { tool: 'iptables-nft', ...inPlace, withoutNft: 'no nat chains, 1' });
  t.equal(tries, 1, 'no storm');
  t.match(news(), [
    /create iptables-nft chain SELVEDGE-FWD-net/,
    /create iptables-nft chain SELVEDGE-MASQ-net/,
    'firewall: iptables-nft masquerades, not nft: no nat chains, 1',
  ]);
  firewall.flush();
  await clock.pass(1_000);
  t.match(news(), [/repaired .*FWD/], 'a repair, and nothing about nft again');
  t.ok(firewall.nat.rules.has('SELVEDGE-MASQ-net'));

  firewall.refuse = () => undefined;
  await clock.pass(600_000);
  t.match(keeper.view.masquerade, { tool: 'nft', ...inPlace, withoutNft: undefined });
  t.notOk(firewall.nat.rules.has('SELVEDGE-MASQ-net'), 'iptables no more');
  firewall.nft = { ok: true, value: { own: { chains: new Map(), rules: new Map() }, flannel: undefined } };
  firewall.refuse = ({ tool }) => (tool === 'nft' ? 'busy' : undefined);
  firewall.announce();
  await clock.pass(1_000);
  t.match(keeper.view.masquerade, { tool: 'nft', isInPlace: false, error: 'busy' });
  t.notOk(firewall.nat.rules.has('SELVEDGE-MASQ-net'), 'what works now and then is tried again');
});

t.test("flanneld's rules stay for as long as ours are refused", async t => {
  const firewall = new PaperFirewall();
  firewall.nat = savedTable(FLANNEL_NAT, 'nat');
  firewall.refuse = ({ what }) => (what.includes('SELVEDGE') ? 'refused' : undefined);
  const { keeper, clock } = start(t, firewall);
  keeper.want(WISH);
  await clock.pass(5_000);
  t.ok(firewall.nat.rules.has('FLANNEL-POSTRTG'));
  firewall.refuse = () => undefined;
  await clock.pass(31_000);
  t.notOk(firewall.nat.rules.has('FLANNEL-POSTRTG'));
  t.same(firewall.nat.rules.get('POSTROUTING'), ['-j SELVEDGE-MASQ-net']);
});

t.test('another program that takes it away for ever: yielded to, and told', async t => {
  const { firewall, keeper, clock, news } = start(t);
  keeper.want(ONLY_FORWARD);
  await clock.pass(1_000);
  for (let i = 0; i < 600; i++) {
    if (firewall.filter.rules.has(NAMES.forwardChain)) firewall.flush();
    await clock.pass(100);
  }
  t.ok(firewall.applied.length < 20, `${firewall.applied.length} changes in a minute`);
  t.match(keeper.view.contests, [{ what: /SELVEDGE-FWD-net/ }]);
  t.match(news().join('\n'), /another program keeps undoing iptables-nft chain SELVEDGE-FWD-net/);
  await clock.pass(60_000);
  t.match(keeper.view.forward, [{ isInPlace: true }], 'left alone, it is put right');
});

t.test('a policy that drops no more', async t => {
  const { firewall, keeper, clock } = start(t);
  keeper.want(ONLY_FORWARD);
  await clock.pass(1_000);
  firewall.filter = { ...firewall.filter, policies: new Map([['FORWARD', 'ACCEPT']]) };
  firewall.announce();
  await clock.pass(1_000);
  t.same(firewall.filter.rules.get('FORWARD') ?? [], []);
  t.same(keeper.view.forward, []);
});
