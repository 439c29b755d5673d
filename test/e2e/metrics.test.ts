/** The health port of a real agent: what Prometheus and probes read from it while a peer is spoiled and mended. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Commands } from '../../src/demo/command.js';
import type { Host } from '../../src/demo/host.js';
import type { Lab } from '../../src/demo/lab.js';
import { keyOf, peerByHand, valueOf } from '../support/peers-by-hand.js';
import { hostOf, leaseOf, putDirectoryInPlaceOf, startCluster, subnetOf } from '../support/cluster.js';

const PORT = '9808';
const FETCH = `fetch(process.argv[1]).then(async answer =>
  process.stdout.write(answer.status + '\\n' + await answer.text()))`;
const file = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

interface Seen {
  readonly code: number;
  readonly text: string;
}

/** Reads a path of the health port from inside the host. */
async function read(lab: Lab, host: Host, path: string): Promise<Seen> {
  const argv = [process.execPath, '--eval', FETCH, `http://127.0.0.1:${PORT}${path}`];
  const output = await lab.commands.must(host.namespace.argv(argv));
  const end = output.indexOf('\n');
  return { code: Number(output.slice(0, end)), text: output.slice(end + 1) };
}

t.test('a foreign route in the place of a peer’s: not ready, named, and ready again', async t => {
  const agentOptions = ['--healthz-port', PORT, '--metrics-per-peer'];
  const lab = await startCluster(t, { hosts: 2, agentOptions });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const metric = async (series: string) => {
    const { text } = await read(lab, one, '/metrics');
    return text.split('\n').find(line => line.startsWith(`${series} `));
  };
  // Hosts that start together may find each other in their first list.
  const third = peerByHand(100);
  await lab.etcd.ctl('put', keyOf(third), valueOf(third));
  await one.waitForHealth(2);
  t.match(await read(lab, one, '/healthz'), { code: 200 });
  t.match(await read(lab, one, '/readyz'), { code: 200 });
  const { text } = await lab.waitFor({
    what: 'every series, those of single peers too',
    read: () => read(lab, one, '/metrics'),
    until: seen => /^selvedge_peer_path_mtu_bytes\{/m.test(seen.text),
  });
  const check = ['sh', '-c', 'printf %s "$1" | promtool check metrics', 'sh', text];
  t.equal((await lab.commands.must(check)).trim(), '', 'promtool has nothing to say');
  t.match(text, /^selvedge_watch_to_kernel_seconds_count [1-9]/m, 'a joining was timed');
  t.match(text, /^process_resident_memory_bytes \d/m);

  const subnet = subnetOf(await leaseOf(lab, two));
  await one.namespace.ip('route', 'replace', subnet, 'via', two.address, 'proto', 'static');
  const unready = await lab.waitFor({
    what: 'host1 not to be ready',
    read: () => read(lab, one, '/readyz'),
    until: ({ code }) => code === 503,
  });
  t.equal(unready.text, 'selvedge is not ready: 1 of 2 peers are not programmed\n');
  t.equal(
    await metric('selvedge_problem{code="route-conflict"}'),
    'selvedge_problem{code="route-conflict"} 1',
  );
  t.equal(await metric('selvedge_kernel_conflicts'), 'selvedge_kernel_conflicts 1');
  t.match(await read(lab, one, '/healthz'), { code: 200 }, 'a restart would not help');
  t.match(await read(lab, two, '/readyz'), { code: 200 }, 'the other host is as it was');

  await one.namespace.ip('route', 'delete', subnet, 'proto', 'static');
  await lab.waitFor({
    what: 'host1 to be ready again',
    read: () => read(lab, one, '/readyz'),
    until: ({ code }) => code === 200,
  });
  t.equal(await metric('selvedge_ready'), 'selvedge_ready 1');
});

/** Waits until `/readyz` answers with this code. */
async function readiness(lab: Lab, host: Host, code: 200 | 503): Promise<Seen> {
  return lab.waitFor({
    what: `${host.name}: /readyz to answer ${code}`,
    read: () => read(lab, host, '/readyz'),
    until: seen => seen.code === code,
  });
}

t.test('an env file that is taken away comes back; while it cannot, the host is not ready', async t => {
  const lab = await startCluster(t, { hosts: 1, agentOptions: ['--healthz-port', PORT] });
  const host = hostOf(lab, 1);
  const { subnetEnv } = host.files;
  const before = await readFile(subnetEnv, 'utf8');
  await rm(subnetEnv);
  t.equal(await host.waitForSubnet(), before);
  await readiness(lab, host, 200);

  // Nothing can be put in the place of a directory.
  await putDirectoryInPlaceOf(lab, subnetEnv);
  const { text } = await readiness(lab, host, 503);
  t.match(text, /^selvedge is not ready: cannot write .*subnet\.env: /);
  await rm(subnetEnv, { recursive: true });
  await readiness(lab, host, 200);
  t.equal(await readFile(subnetEnv, 'utf8'), before);
});

t.test('etcd away: alive all the time, ready until the lease has run out, and when it is back', async t => {
  const agentOptions = ['--healthz-port', PORT, '--lease-ttl', '8s', '--doubt-grace', '5s'];
  const lab = await startCluster(t, { hosts: 1, agentOptions });
  const host = hostOf(lab, 1);
  await readiness(lab, host, 200);
  await lab.etcd.stop('SIGKILL');
  const { text } = await readiness(lab, host, 503);
  t.match(text, /^selvedge is not ready: the lease of 10\.5\.\d+\.0\/24 has run out\n$/);
  t.match(await read(lab, host, '/healthz'), { code: 200 }, 'a restart would not help');
  const metrics = (await read(lab, host, '/metrics')).text;
  t.match(metrics, /^selvedge_etcd_connected 0$/m);
  t.match(metrics, /^selvedge_ready 0$/m);
  t.match(metrics, /^selvedge_lease_remaining_seconds 0$/m);
  t.match(metrics, /^selvedge_problem\{code="etcd-away"\} 1$/m);
  await lab.etcd.start();
  await readiness(lab, host, 200);
});

t.test('promtool accepts the alert rules, and they fire when they should', async t => {
  for (const argv of [
    ['promtool', 'check', 'rules', file('contrib/prometheus/selvedge.rules.yml')],
    ['promtool', 'test', 'rules', file('test/support/selvedge.rules.test.yml')],
  ]) {
    t.match(await new Commands(() => undefined).must(argv), /SUCCESS/, argv.join(' '));
  }
});

t.test('promtool can read every expression of the dashboard', async t => {
  const { panels } = JSON.parse(await readFile(file('contrib/grafana/selvedge.json'), 'utf8')) as {
    panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
  };
  // Grafana's own variables, with what they may become.
  const expand = (text: string) =>
    text.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.+').replaceAll('$job', 'selvedge');
  const rules = panels.flatMap(({ targets }) =>
    targets.map(({ expr }) => ({ record: 'x:y', expr: expand(expr) })),
  );
  // Each in a group of its own, for the same name and labels twice in one are a fault; JSON is YAML.
  const groups = rules.map((rule, i) => ({ name: String(i), rules: [rule] }));
  const path = join(t.testdir({ 'rules.yml': JSON.stringify({ groups }) }), 'rules.yml');
  const said = await new Commands(() => undefined).must(['promtool', 'check', 'rules', '--lint=none', path]);
  t.match(said, `SUCCESS: ${rules.length} rules found`);
});
