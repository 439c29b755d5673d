/** More hosts than subnets: the one too many says so with numbers, disturbs nobody, and starts when a subnet frees up. */
import t from 'tap';
import {
  containerOf,
  hostOf,
  leaseKeys,
  leaseOf,
  startCluster,
  subnetOf,
  unreachedPairs,
} from '../support/cluster.js';
import { SELVEDGE } from '../support/lab.js';
import { noneLost, packetsBetween } from '../support/uninterrupted.js';

/** Packets in each direction before, between and after what is tested. */
const SOME_PACKETS = 1_000;
const RANGE = { SubnetMin: '10.5.1.0', SubnetMax: '10.5.3.0' };

t.test('a fourth host on three subnets waits, and takes the one that is given back', async t => {
  const lab = await startCluster(t, { config: RANGE });
  const subnets = (await leaseKeys(lab)).map(subnetOf).sort();
  t.same(subnets, ['10.5.1.0/24', '10.5.2.0/24', '10.5.3.0/24'], 'the whole range is used');
  const [one, two, three] = [hostOf(lab, 1), hostOf(lab, 2), hostOf(lab, 3)];
  t.match((await one.status())?.problems, [{ code: 'subnets-running-out', seen: '0 of 3 subnets are free' }]);
  const stream = await packetsBetween(t, containerOf(one), containerOf(two));
  await stream.flow(SOME_PACKETS);

  const late = await lab.addHost();
  await late.startAgent();
  const waiting = await lab.waitFor({
    what: 'the fourth host to lack a subnet',
    read: () => late.status(),
    until: seen => seen?.problems.some(({ code }) => code === 'no-free-subnet') === true,
  });
  t.match(waiting, {
    verdict: 'starting',
    lease: null,
    problems: [{ code: 'no-free-subnet', seen: 'all 3 subnets of the range are leased' }],
  });
  t.match(
    late.agent!.log(),
    /no subnet is free: all 3 between 10\.5\.1\.0 and 10\.5\.3\.0 are leased/,
    'the log says it too',
  );
  t.same((await leaseKeys(lab)).map(subnetOf).sort(), subnets, 'nobody lost a subnet');
  const listed = await lab.commands.must(
    late.namespace.argv([...SELVEDGE, 'leases', '--etcd-endpoints', lab.endpoint]),
  );
  t.match(listed, /^3 leased, .* 0 of 3 subnets free/);
  await stream.flow(SOME_PACKETS);

  const freed = subnetOf(await leaseOf(lab, three));
  await three.stopAgent();
  await three.startAgent(['--release-on-exit']);
  await three.waitForHealth(2);
  await three.stopAgent();
  await late.waitForHealth(2);
  t.equal(subnetOf(await leaseOf(lab, late)), freed);
  await late.addContainer();
  t.same(await unreachedPairs([one, two, late]), []);
  await stream.flow(SOME_PACKETS);
  await noneLost(t, stream);
});
