/**
 * What is wrong with etcd, the config, leases, or the agent itself: the status turns, the doctor names the cause first, the
 * other hosts stay silent, and all heals.
 */
import t from 'tap';
import type { LoggedProcess } from '../../src/demo/process.js';
import { makeLook, restartAgent, runDoctor, startCaseLab, type CaseLab } from '../support/doctor/case-lab.js';
import { goThrough, type Case } from '../support/doctor/cases.js';
import { leaseOf, subnetOf } from '../support/cluster.js';
import { startFlanneld } from '../support/flanneld.js';
import { keyOf, peerByHand, valueOf } from '../support/peers-by-hand.js';

/** What packets do is another file's. */
const NO_PROBES = ['--probe-rate', '0'];

const lab = await startCaseLab(t, NO_PROBES);
const CONFIG = (await lab.lab.etcd.ctl('get', '/net/config', '--print-value-only')).trim();

const put = (key: string, value: string) => lab.lab.etcd.ctl('put', key, value);
const del = (key: string) => lab.lab.etcd.ctl('del', key);
const restoreConfig = () => put('/net/config', CONFIG);
const ip = ({ host }: CaseLab, words: string) => host.namespace.ip(...words.split(' '));
const stranger = peerByHand(90);
/** A host's own lease says which host it is; this one is another's, with the address of ours. */
const thief = JSON.stringify({
  ...(JSON.parse(valueOf(peerByHand(91))) as object),
  PublicIP: lab.host.address,
  Selvedge: { NodeID: 'f'.repeat(32), Name: 'thief' },
});
const PASSWORD = 'nobody-reads-7f3a';
let flanneld: LoggedProcess | undefined;
const runFlanneld = async (prefix: string) => (flanneld = await startFlanneld(lab.host, prefix));
const endFlanneld = () => flanneld!.stop('SIGKILL', 30);
const subnetOfPeer = async () => subnetOf(await leaseOf(lab.lab, lab.others[0]!));

const CASES: readonly Case[] = [
  {
    name: 'the config cannot be used',
    break: () => put('/net/config', '{"Network": "10.5.0.0/99"}'),
    mend: () => restoreConfig(),
    status: ['config-invalid'],
    doctor: ['config-invalid'],
    metric: ['selvedge_problem{code="config-invalid"}', '1'],
    others: ['config-invalid'],
  },
  {
    name: 'the config is not the one that runs',
    break: () => put('/net/config', '{"Network": "10.5.0.0/16"}'),
    mend: () => restoreConfig(),
    status: ['config-differs'],
    doctor: ['config-differs'],
    others: ['config-differs'],
  },
  {
    name: 'the config is gone',
    break: () => del('/net/config'),
    mend: () => restoreConfig(),
    status: ['config-missing'],
    doctor: ['config-missing'],
    others: ['config-missing'],
  },
  {
    name: 'a lease that nobody can read',
    break: () => put('/net/subnets/10.5.77.0-24', 'rubbish'),
    mend: () => del('/net/subnets/10.5.77.0-24'),
    status: [],
    doctor: ['leases-set-aside'],
    metric: ['selvedge_peers_set_aside{code="bad-value"}', '1'],
  },
  {
    name: 'a lease with our public IP and another host’s name',
    break: () => put('/net/subnets/10.5.91.0-24', thief),
    mend: () => del('/net/subnets/10.5.91.0-24'),
    status: ['public-ip-shared'],
    doctor: ['public-ip-shared (leases-set-aside)'],
    metric: ['selvedge_peers_set_aside{code="own-public-ip"}', '1'],
  },
  {
    name: 'the agent has ended',
    break: ({ host }) => host.stopAgent(),
    mend: ({ host }) => restartAgent(host, NO_PROBES),
    status: undefined,
    doctor: ['agent-down'],
  },
  {
    name: 'the agent hangs',
    break: async ({ host }) => process.kill(host.agent!.pid, 'SIGSTOP'),
    mend: async ({ host }) => process.kill(host.agent!.pid, 'SIGCONT'),
    status: undefined,
    doctor: ['agent-silent'],
  },
  {
    name: 'the agent was told a user, and etcd knows none',
    break: async ({ host }) =>
      restartAgent(host, [...NO_PROBES, '--etcd-username', 'net', '--etcd-password', PASSWORD]),
    mend: ({ host }) => restartAgent(host, NO_PROBES),
    status: ['etcd-denied'],
    doctor: ['etcd-denied (agent-waits)'],
    options: ['--etcd-username', 'net', '--etcd-password', PASSWORD],
  },
  {
    name: 'the agent was told TLS, and etcd speaks none',
    break: async ({ lab, host }) =>
      restartAgent(host, [...NO_PROBES, '--etcd-endpoints', lab.endpoint.replace('http', 'https')]),
    mend: ({ host }) => restartAgent(host, NO_PROBES),
    status: ['etcd-tls'],
    doctor: ['etcd-tls (agent-waits)'],
    options: ['--etcd-endpoints', lab.lab.endpoint.replace('http', 'https')],
  },
  {
    name: 'a flanneld of the same network',
    break: () => runFlanneld('/net'),
    mend: () => endFlanneld(),
    status: [],
    doctor: ['flanneld-runs'],
  },
  {
    name: 'no agent, and a route of ours to nobody, which the doctor may remove',
    break: async at => {
      await at.host.stopAgent();
      await ip(at, 'route add 10.5.200.0/24 via 10.5.200.0 dev flannel.1 onlink proto 83');
    },
    mend: async at => {
      t.match((await runDoctor(at, ['--fix'])).findings, [{ code: 'agent-down', follows: [] }]);
      await restartAgent(at.host, NO_PROBES);
    },
    status: undefined,
    doctor: ['agent-down (stale-entries)'],
  },
  {
    name: 'no agent, and the device gone',
    break: async at => {
      await at.host.stopAgent();
      await ip(at, 'link delete flannel.1');
    },
    mend: ({ host }) => restartAgent(host, NO_PROBES),
    status: undefined,
    doctor: ['agent-down (overlay-device)'],
  },

  // Two at once.
  {
    name: 'the config cannot be used, and a foreign route has the place of a peer’s',
    break: async at => {
      await put('/net/config', '{');
      await ip(at, `route replace ${await subnetOfPeer()} via ${at.others[0]!.address} proto static`);
    },
    mend: async at => {
      await ip(at, `route delete ${await subnetOfPeer()} proto static`);
      await restoreConfig();
    },
    status: ['config-invalid', 'route-conflict'],
    doctor: ['config-invalid', 'route-conflict (route-overlap)'],
    metric: ['selvedge_kernel_conflicts', '1'],
    others: ['config-invalid'],
  },

  // Odd, and well.
  {
    name: 'well: a peer’s agent is off',
    break: ({ others: [, third] }) => third!.stopAgent(),
    mend: ({ others: [, third] }) => restartAgent(third!, NO_PROBES),
    status: [],
    doctor: [],
  },
  {
    name: 'well: a reservation that nobody has come for',
    break: () => put('/net/subnets/10.5.95.0-24', '{"PublicIP":"192.168.77.95"}'),
    mend: () => del('/net/subnets/10.5.95.0-24'),
    status: [],
    doctor: [],
  },
  {
    name: 'well: a flanneld of another network',
    break: () => runFlanneld('/coreos.com/network'),
    mend: () => endFlanneld(),
    status: [],
    doctor: [],
  },
  {
    name: 'well: a peer that came without an agent of ours',
    break: () => put(keyOf(stranger), valueOf(stranger)),
    mend: () => del(keyOf(stranger)),
    status: [],
    doctor: [],
  },

  // Last: whoever deletes a key right after an outage is not believed.
  {
    name: 'etcd is down',
    break: ({ lab }) => lab.etcd.stop(),
    mend: ({ lab }) => lab.etcd.start(),
    status: ['etcd-away'],
    doctor: ['etcd-away'],
    metric: ['selvedge_etcd_connected', '0'],
    others: ['etcd-away'],
  },
  {
    name: 'etcd is down, and docker0 has another subnet',
    break: async at => {
      await at.lab.etcd.stop();
      await ip(at, 'link add docker0 type bridge');
      await ip(at, 'address add 172.17.0.1/16 dev docker0');
      await makeLook(at);
    },
    mend: async at => {
      await ip(at, 'link delete docker0');
      await makeLook(at);
      await at.lab.etcd.start();
    },
    status: ['etcd-away', 'docker-subnet'],
    doctor: ['etcd-away', 'docker-subnet'],
    others: ['etcd-away'],
  },
  {
    name: 'the agent and etcd are down',
    break: async ({ host, lab }) => {
      await host.stopAgent();
      await lab.etcd.stop();
    },
    mend: async ({ host, lab }) => {
      await lab.etcd.start();
      await restartAgent(host, NO_PROBES);
    },
    status: undefined,
    doctor: ['agent-down', 'etcd-away'],
    others: ['etcd-away'],
  },
];

await goThrough(t, lab, CASES);

await t.test('the clock of the host is an hour ahead of etcd’s', async t => {
  const ahead = 'const now = Date.now; Date.now = () => now() + 3_600_000;';
  const environment = [`NODE_OPTIONS=--import=data:text/javascript,${encodeURIComponent(ahead)}`];
  const { findings, notChecked } = await runDoctor(lab, [], environment);
  t.match(findings, [{ code: 'clock-skew', seen: /^the clock of this host is 3\d\d\d s ahead of/ }]);
  t.same(notChecked, [], 'and all else was looked at');
});
