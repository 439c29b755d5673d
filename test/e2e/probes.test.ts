/** Agents that probe each other, one of them behind a firewall that does not let the tunnel in. */
import t from 'tap';
import type { PingDocument } from '../../src/cli/ping-document.js';
import type { Host } from '../../src/demo/host.js';
import type { StatusDocument } from '../../src/daemon/status.js';
import { createLab, SELVEDGE } from '../support/lab.js';

t.test('who is reached, and who is not', async t => {
  const lab = await createLab(t);
  await lab.startEtcd();
  await lab.setConfig({ Network: '10.5.0.0/16' });
  const [one, two, three] = [await lab.addHost(), await lab.addHost(), await lab.addHost()];
  const firewall = (...words: readonly string[]) => three.namespace.exec(['nft', ...words]);
  await firewall('table ip t { chain i { type filter hook input priority 0; udp dport 8472 drop; }; }');
  for (const host of lab.hosts) await host.startAgent();
  const becomes = (host: Host, what: string, isSo: (status: StatusDocument) => boolean) =>
    lab.waitFor({
      what: `${host.name}: ${what}`,
      intervalMs: 200,
      read: () => host.status(),
      until: status => status !== undefined && isSo(status),
    });
  const states = ({ peers }: StatusDocument) =>
    new Map(peers.map(({ publicIp, probe }) => [publicIp, probe?.state]));
  const problems = (status?: StatusDocument) =>
    status?.problems.map(({ code, severity }) => `${severity} ${code}`);

  const healthy = await becomes(one, 'one peer reached, one blocked', status => {
    const seen = states(status);
    const isTested = status.peers.some(({ probe }) => probe?.pathMtu != null);
    return isTested && seen.get(two.address) === 'reachable' && seen.get(three.address) === 'overlay-blocked';
  });
  t.match(healthy, { verdict: 'healthy', probes: { off: null } }, 'the fault of another host');
  t.same(problems(healthy), ['warning overlay-blocked']);
  const reached = healthy?.peers.find(({ publicIp }) => publicIp === two.address);
  t.match(reached?.probe, { overlay: { word: 'answers' }, pathMtu: { finding: 'fits', size: 1500 } });
  const blocked = await becomes(three, 'degraded', ({ verdict }) => verdict === 'degraded');
  t.same(problems(blocked), ['error overlay-blocked']);

  const ping = async (...words: readonly string[]) => {
    const argv = [...SELVEDGE, 'ping', ...words, '--run-dir', one.files.runDir];
    return one.namespace.exec(argv);
  };
  const all = await ping('--all', '-o', 'json');
  t.equal(all.code, 1);
  const { peers } = JSON.parse(all.stdout) as PingDocument;
  t.same(peers.map(({ underlay, state }) => [underlay.address, state]).toSorted(), [
    [two.address, 'reachable'],
    [three.address, 'overlay-blocked'],
  ]);
  const single = await ping(reached!.subnet);
  t.match(single, { code: 0, stdout: /flannel\.1 over eth0 +reachable .* 1500\n1 of 1 reached\n$/ });
  t.match(await ping('nobody'), { code: 2, stderr: /no peer is called nobody/ });
  t.match(await ping(), { code: 64, stderr: /give either one PEER or --all/ });

  await firewall('delete', 'table', 'ip', 't');
  const mended = await becomes(three, 'all reached', ({ probes }) => probes?.peers.reachable === 2);
  t.match(mended, { verdict: 'healthy' });
});
