/** Masquerade and forward rules on the real kernel, with each of the programs that can write them. */
import t, { type Test } from 'tap';
import { removeFirewall } from '../../src/daemon/firewall.js';
import type { PlannedChange } from '../../src/daemon/plan/changes.js';
import { dryFirewall } from '../../src/daemon/plan/dry-firewall.js';
import type { Variant } from '../../src/dataplane/firewall/held.js';
import { kernelHasNfTables } from '../../src/dataplane/firewall/nf-tables.js';
import { findInstalled, type FindProgram } from '../../src/dataplane/firewall/programs.js';
import { SystemFirewall } from '../../src/dataplane/firewall/system-firewall.js';
import { NFNL_SUBSYS_NFTABLES } from '../../src/dataplane/netlink/constants.js';
import { ASK_GENERATION } from '../../src/dataplane/netlink/nftables.js';
import {
  allArriveAs,
  everything,
  exchange,
  failing,
  flushAll,
  HOST_ADDRESS,
  makeSurroundings,
  removeOurs,
  run,
  spoilingNft,
  startKeeper,
  startKeeperOf,
  flow,
  without,
} from '../support/firewall-host.js';
import { WISH } from '../support/firewall.js';
import { inNamespace } from '../support/in-namespace.js';
import { becomes } from '../support/real-host.js';
import { FLANNEL_NAT_CHAIN } from '../unit/dataplane/firewall/recorded.js';

interface Cell {
  /** The variant whose FORWARD drops. */
  readonly variant: Variant;
  readonly find: (t: Test) => FindProgram;
  readonly masqueradeTool: string;
}

/** What writes the masquerade; legacy last, because its tables stay once they are there. */
const CELLS: Readonly<Record<string, Cell>> = {
  nft: { variant: 'nft', find: () => findInstalled, masqueradeTool: 'nft' },
  'iptables-nft': {
    variant: 'nft',
    find: t => without(t, 'nft', 'iptables-legacy-save'),
    masqueradeTool: 'iptables-nft',
  },
  'iptables-legacy': {
    variant: 'legacy',
    find: t => without(t, 'nft', 'iptables-nft-save'),
    masqueradeTool: 'iptables-legacy',
  },
};

/** The FORWARD chain as dockerd makes it when it has switched forwarding on. */
function dropAsDocker(variant: Variant): void {
  const iptables = `iptables-${variant}`;
  run(`${iptables} -P FORWARD DROP`);
  run(`${iptables} -A FORWARD -o cont0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`);
  run(`${iptables} -A FORWARD -i cont0 ! -o cont0 -j ACCEPT`);
}

const isSettled = ({ keeper }: ReturnType<typeof startKeeper>) => {
  const { masquerade, forward } = keeper.view;
  return { masquerade: masquerade?.isInPlace, forward: forward.map(({ isInPlace }) => isInPlace) };
};
const SETTLED = { masquerade: true, forward: [true] };

/** Containers are known to all by their own addresses, and nobody reaches them from elsewhere. */
const BARE = { container: [], peer: ['10.5.1.2'], outside: ['10.5.1.2'] };
/** The peer reaches the container, and the world sees this host. What comes from outside is still dropped, also forged. */
const KEPT = { container: ['10.5.2.2'], peer: ['10.5.1.2'], outside: [HOST_ADDRESS] };

const BARE_MASQUERADED = { ...KEPT, container: [] };

/** All rules and policies, in any order: Docker's jumps come back before or behind ours. */
const rules = () => everything().split('\n').sort();

/** What flanneld 0.28 leaves, as its rules are listed. */
const FLANNEL_RULES = `*nat
${FLANNEL_NAT_CHAIN}
COMMIT
*filter
:FLANNEL-FWD - [0:0]
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A FLANNEL-FWD -s 10.5.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
-A FLANNEL-FWD -d 10.5.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
COMMIT
`;
const FLANNEL_NFT = `add table ip flannel-ipv4
add chain ip flannel-ipv4 postrtg { type nat hook postrouting priority srcnat; policy accept; }
add rule ip flannel-ipv4 postrtg meta mark 0x4000 return
add rule ip flannel-ipv4 postrtg ip saddr 10.5.1.0/24 ip daddr 10.5.0.0/16 return
add rule ip flannel-ipv4 postrtg ip saddr 10.5.0.0/16 ip daddr 10.5.1.0/24 return
add rule ip flannel-ipv4 postrtg ip saddr 10.5.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random
`;

void inNamespace(t, import.meta.url, async () => {
  const around = await makeSurroundings(t);

  for (const [name, { variant, find, masqueradeTool }] of Object.entries(CELLS)) {
    t.test(`${name}: what passes, and as whose`, async t => {
      flushAll();
      dropAsDocker(variant);
      t.match(run(`iptables-${variant} -S FORWARD`), /^-P FORWARD DROP$/m, 'FORWARD drops');
      const before = everything();
      t.same(await exchange(around), BARE, 'without us');
      const host = startKeeper(t, undefined, find(t));
      await becomes(t, () => isSettled(host), SETTLED, 'all is in place');
      t.equal(host.keeper.view.masquerade?.tool, masqueradeTool);
      t.same(await exchange(around), KEPT, 'with us');
      await host.stop();
      t.same(await exchange(around), KEPT, 'after us');
      await removeOurs();
      t.same(await exchange(around), BARE, 'our rules taken away');
      if (masqueradeTool === 'nft') t.equal(everything(), before, 'and nothing else');
      t.notMatch(everything(), /selvedge/i);
    });

    t.test(`${name}: taken over from flanneld while connections are made`, async t => {
      flushAll();
      dropAsDocker(variant);
      if (masqueradeTool === 'nft') run('nft -f -', FLANNEL_NFT);
      run(`iptables-${variant}-restore --noflush`, FLANNEL_RULES);
      const { container, peer, outside } = around;
      for (const { child } of [container, peer, outside]) await child.ask({ kind: 'forget' });
      await peer.child.ask({ kind: 'start', address: container.address });
      await container.child.ask({ kind: 'start', address: outside.address });
      await flow([peer, container]);
      t.match(everything(), 'FLANNEL', 'theirs');
      const host = startKeeper(t, undefined, find(t));
      await becomes(t, () => /flannel-|FLANNEL/.test(everything()), false, 'theirs are gone');
      await becomes(t, () => isSettled(host), SETTLED, 'ours are in place');
      await flow([peer, container]);
      const fromPeer = await peer.child.ask({ kind: 'stop' });
      const toWorld = await container.child.ask({ kind: 'stop' });
      t.comment(`${fromPeer.sent} and ${toWorld.sent} connections`);
      await allArriveAs(t, container, fromPeer.sent, peer.address, 'none dropped');
      await allArriveAs(t, outside, toWorld.sent, HOST_ADDRESS, 'none as another');
      t.same(await exchange(around), KEPT);
      await host.stop();
      await removeOurs();
    });

    t.test(`${name}: flushed`, async t => {
      flushAll();
      dropAsDocker(variant);
      const host = startKeeper(t, undefined, find(t));
      await becomes(t, () => isSettled(host), SETTLED, 'all is in place');
      const kept = rules();
      run(`iptables-${variant} -F FORWARD`);
      dropAsDocker(variant);
      if (masqueradeTool === 'nft') run('nft delete table ip selvedge-net');
      else run(`iptables-${variant} -t nat -F POSTROUTING`);
      // Nothing tells of changes of legacy iptables: it is glanced at every 10 s.
      await becomes(t, rules, kept, 'put back', 60_000);
      if (variant === 'nft') {
        const at = performance.now();
        run('nft flush ruleset');
        await becomes(
          t,
          () => rules().some(rule => /masquerade/i.test(rule)),
          true,
          'after nft flush ruleset',
        );
        t.comment(`${Math.round(performance.now() - at)} ms after nft flush ruleset`);
        dropAsDocker(variant);
        await becomes(t, rules, kept, 'and what drops is seen');
      }
      t.same(await exchange(around), KEPT);
      await host.stop();
      await removeOurs();
    });
  }

  t.test('both variants drop: ours in both', async t => {
    flushAll();
    for (const variant of ['nft', 'legacy'] as const) dropAsDocker(variant);
    const host = startKeeper(t);
    await becomes(t, () => isSettled(host), { masquerade: true, forward: [true, true] }, 'all is in place');
    t.same(await exchange(around), KEPT);
    await host.stop();
    run('iptables-legacy -F SELVEDGE-FWD-net');
    t.same(await exchange(around), BARE_MASQUERADED, 'one of both is not enough');
    await removeOurs();
    t.notMatch(everything(), /selvedge/i);
  });

  t.test('a policy that does not drop: nothing is added to FORWARD', async t => {
    flushAll();
    run('iptables-nft -P FORWARD ACCEPT');
    const host = startKeeper(t);
    await becomes(t, () => isSettled(host), { masquerade: true, forward: [] }, 'looked at');
    t.notMatch(everything(), /SELVEDGE-FWD/);
    run('iptables-nft -P FORWARD DROP');
    await becomes(t, () => isSettled(host), SETTLED, 'until it does');
    run('iptables-nft -P FORWARD ACCEPT');
    await becomes(t, () => everything().includes('SELVEDGE-FWD'), false, 'or does no more');
    await host.stop();
    await removeOurs();
  });

  t.test('nft that refuses to make our table: iptables masquerades until it does', async t => {
    flushAll();
    dropAsDocker('nft');
    const { find, mend } = failing(t, 'nft', '-f');
    const host = startKeeper(t, undefined, find);
    await becomes(t, () => isSettled(host), SETTLED, 'all is in place');
    // Which variant depends on the tables of legacy iptables, which stay once they are there.
    t.match(host.keeper.view.masquerade, { tool: /^iptables-/, withoutNft: /exit code 3: no such luck/ });
    t.same(await exchange(around), KEPT);
    mend();
    // An announcement of something of ours: it is looked at.
    run('iptables-nft -D FORWARD -j SELVEDGE-FWD-net');
    await becomes(t, () => host.keeper.view.masquerade?.tool, 'nft', 'nft again');
    t.notMatch(everything(), 'SELVEDGE-MASQ', 'and iptables no more');
    t.same(await exchange(around), KEPT);
    await host.stop();
    await removeOurs();
  });

  t.test('a plan is for the tool that would do it, and changes nothing', async t => {
    const planned = async (find?: FindProgram) => {
      const changes: PlannedChange[] = [];
      const { keeper, stop } = startKeeperOf(
        t,
        dryFirewall(new SystemFirewall(find), each => changes.push(each)),
      );
      await becomes(t, () => keeper.view.lookedAt !== undefined, true, 'looked at');
      await stop();
      return changes.map(({ action, what }) => `${action} ${what}`);
    };
    flushAll();
    dropAsDocker('nft');
    const before = everything();
    const forward = 'create iptables-nft chain SELVEDGE-FWD-net of table filter';
    t.same(await planned(), [forward, 'create nft table ip selvedge-net']);
    const [first, second, ...rest] = await planned(failing(t, 'nft', '-f').find);
    t.equal(first, forward);
    t.match(second, /^create iptables-\w+ chain SELVEDGE-MASQ-net of table nat$/);
    t.same(rest, []);
    t.equal(everything(), before);
  });

  t.test('a kernel without nf_tables: all by iptables-legacy, and cleanup knows of nothing else', async t => {
    t.equal(await kernelHasNfTables(), true, 'this kernel has it');
    const noSuch = { ...ASK_GENERATION, type: (NFNL_SUBSYS_NFTABLES | 0x80) << 8 };
    t.equal(await kernelHasNfTables(noSuch), false, 'as one answers that has not');
    flushAll();
    dropAsDocker('legacy');
    const { find } = failing(t, 'iptables-nft-save', '-t');
    const lacks = () => Promise.resolve(false);
    const host = startKeeper(t, undefined, find, lacks);
    await becomes(t, () => isSettled(host), SETTLED, 'all is in place');
    t.match(host.keeper.view, {
      masquerade: { tool: 'iptables-legacy', withoutNft: 'this kernel has no nf_tables' },
      errors: [],
    });
    t.same(await exchange(around), KEPT);
    await host.stop();
    const said: string[] = [];
    const firewall = new SystemFirewall(find, lacks);
    const fault = await removeFirewall(firewall, { instance: 'net', dryRun: false }, line => said.push(line));
    t.equal(fault, undefined);
    t.equal(said.length, 2);
    t.notMatch(everything(), /selvedge/i);
  });

  t.test('nft that fails in the middle: what was there stays, and it is tried again', async t => {
    flushAll();
    dropAsDocker('nft');
    const first = startKeeper(t);
    await becomes(t, () => isSettled(first), SETTLED, 'all is in place');
    await first.stop();
    const before = run('nft list table ip selvedge-net');
    run('iptables-nft -F FORWARD');
    // Our own lines are sound: the old table would be gone by them, were they carried out alone.
    const { find, mend } = spoilingNft(t);
    const { keeper } = startKeeper(t, { ...WISH, masquerade: 'kernel-ports' }, find);
    await becomes(t, () => keeper.view.forward.map(({ isInPlace }) => isInPlace), [true], 'FORWARD');
    t.match(keeper.view.masquerade, { isInPlace: false, error: /nft -f -: exit code 1: .*no-such/ });
    t.equal(run('nft list table ip selvedge-net'), before, 'the old table, whole');
    mend();
    await becomes(t, () => keeper.view.masquerade?.isInPlace, true, 'at last');
    t.notMatch(run('nft list table ip selvedge-net'), /fully-random/, 'the new one');
  });
});
