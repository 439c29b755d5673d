import t from 'tap';
import { formatPrefix } from '../../src/address/prefix.js';
import { needsEtcd } from '../support/etcd.js';
import { startEtcdAgent } from '../support/etcd-agent.js';
import { makeStore, never, startEtcdFixture } from '../support/etcd-store.js';
import { KEY_PREFIX, rangeUpTo } from '../support/lease-host.js';
import { until } from '../support/store-contract.js';

const SUBNETS = 30;

t.test(
  '31 hosts at once on 30 subnets: each has its own, and one waits for the next',
  needsEtcd(),
  async t => {
    const { etcd, store } = await startEtcdFixture(t);
    const hosts = Array.from({ length: SUBNETS + 1 }, (_, index) =>
      startEtcdAgent(t, makeStore(t, { endpoints: [etcd.url] }), 600, {
        publicIp: `192.0.2.${index + 1}`,
        range: rangeUpTo(SUBNETS),
        randomBelow: below => BigInt(Math.floor(Math.random() * Number(below))),
      }),
    );
    const holders = () => hosts.filter(({ owned }) => owned.length > 0);
    const waiting = () => hosts.filter(({ owned, exhaustions }) => owned.length === 0 && exhaustions() > 0);
    await until(
      () => holders().length === SUBNETS && waiting().length === 1,
      'all to have or to lack',
      60_000,
    );
    const subnets = holders().map(({ owned }) => formatPrefix(owned[0]!.subnet));
    t.equal(new Set(subnets).size, SUBNETS, `no two have one: ${subnets.join(' ')}`);
    t.ok(hosts.every(({ owned }) => owned.length <= 1));
    const { entries } = await store.list(KEY_PREFIX, never);
    t.equal(entries.length, SUBNETS, 'and nothing else is left in etcd');

    const [late] = waiting();
    const [leaving] = holders();
    await leaving!.stop();
    await store.revokeLease(leaving!.owned[0]!.leaseId);
    await until(() => late!.owned.length > 0, 'the last one to start');
    t.same(late!.owned[0]!.subnet, leaving!.owned[0]!.subnet, 'on the subnet that was given back');
  },
);
