/** The firewall in an agent's life: planned, made before Docker hears of it, put back, and taken away. */
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { agentArgv } from '../../src/demo/agent.js';
import { createLab, SELVEDGE } from '../support/lab.js';

t.test('from plan to cleanup', async t => {
  const lab = await createLab(t);
  await lab.startEtcd();
  await lab.setConfig({ Network: '10.5.0.0/16' });
  const host = await lab.addHost();
  const run = (text: string) => lab.commands.must(host.namespace.argv(text.split(' ')));
  await run('iptables-nft -P FORWARD DROP');
  const argv = agentArgv(SELVEDGE, { endpoint: lab.endpoint, prefix: lab.prefix }, host.files);
  const plan = [...argv.map(word => (word === 'agent' ? 'plan' : word)), '--ip-masq'];

  const { stdout: planned } = await host.namespace.exec(plan);
  t.match(planned, /create +firewall +nft table ip selvedge-net\n/);
  t.match(planned, /create +firewall +iptables-nft chain SELVEDGE-FWD-net of table filter\n/);
  t.notMatch(await run('nft list ruleset'), /selvedge/i, 'and nothing was made');

  await host.startAgent(['--ip-masq']);
  t.match(await host.waitForSubnet(), 'FLANNEL_IPMASQ=true\n');
  t.match(
    await run('nft list ruleset'),
    /table ip selvedge-net[^]*SELVEDGE-FWD-net|SELVEDGE-FWD-net[^]*table ip selvedge-net/,
  );
  t.match(await readFile(host.files.dockerEnv, 'utf8'), '--ip-masq=false');
  const status = await host.waitForHealth();
  t.match(status.firewall, {
    masquerade: { tool: 'nft', inPlace: true, error: null },
    forward: [{ tool: 'iptables-nft', inPlace: true, error: null }],
  });
  t.match(await host.namespace.exec(plan), { code: 0, stdout: /^nothing to change/ });

  await run('nft flush ruleset');
  await lab.waitFor({
    what: 'the masquerade after nft flush ruleset',
    read: () => run('nft list ruleset'),
    until: ruleset => ruleset.includes('masquerade'),
  });
  await run('iptables-nft -P FORWARD DROP');
  await lab.waitFor({
    what: 'both repairs in the status',
    read: () => host.status(),
    until: seen => seen?.firewall?.repairs === 2 && seen.firewall.forward[0]?.inPlace === true,
  });

  await host.stopAgent();
  t.match(await run('nft list ruleset'), /masquerade/, 'it stays when the agent ends');
  const { files } = host;
  const places = ['--etcd-prefix', '/net', '--state-dir', files.stateDir, '--run-dir', files.runDir];
  const cleanup = [...SELVEDGE, 'cleanup', ...places, '--subnet-file', files.subnetEnv];
  const lines =
    /remove nft table ip selvedge-net\n(?:would )?remove iptables-nft chain SELVEDGE-FWD-net of table filter\n/;
  t.match(await lab.commands.must(host.namespace.argv([...cleanup, '--dry-run'])), lines);
  t.match(await run('nft list ruleset'), /SELVEDGE-FWD-net/);
  t.match(await lab.commands.must(host.namespace.argv(cleanup)), lines);
  t.notMatch(await run('nft list ruleset'), /selvedge/i);
  t.match(await run('iptables-nft -S FORWARD'), /^-P FORWARD DROP$/m, "and what is the admin's stays");
});
