/** Another VNI, another backend, another network: after a restart nothing is left of the config before. */
import t from 'tap';
import type { Lab } from '../../src/demo/lab.js';
import { hostOf, overlayRoutes, reaches, startCluster } from '../support/cluster.js';

/** Changes the config and restarts all agents, as `config-differs` says. */
async function restartWith(lab: Lab, config: object): Promise<void> {
  await lab.setConfig(config);
  for (const host of lab.hosts) await host.stopAgent();
  for (const host of lab.hosts) await host.startAgent();
  for (const host of lab.hosts) await host.waitForHealth(lab.hosts.length - 1);
}

t.test('from VNI to VNI, from vxlan to host-gw, from network to network', async t => {
  const lab = await startCluster(t, { hosts: 2 });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const devices = async () =>
    (await one.namespace.ipJson('link', 'show', 'type', 'vxlan')).map(link => link.ifname);
  const settled = (what: string, names: readonly string[]) =>
    lab.waitFor({ what, read: devices, until: seen => seen.join() === names.join() });
  const subnet = (await one.status())?.lease?.subnet;

  await restartWith(lab, { Network: '10.5.0.0/16', Backend: { Type: 'vxlan', VNI: 2 } });
  await settled('only the new device', ['flannel.2']);
  t.equal((await one.status())?.lease?.subnet, subnet, 'same subnet');
  t.ok(await reaches(one, two));

  await restartWith(lab, { Network: '10.5.0.0/16', Backend: { Type: 'host-gw' } });
  await settled('no device', []);
  t.equal((await one.status())?.lease?.subnet, subnet, 'same subnet');
  t.match(await overlayRoutes(one), [{ gateway: two.address, dev: 'eth0', protocol: '83' }]);
  t.ok(await reaches(one, two));

  await restartWith(lab, { Network: '10.6.0.0/16', Backend: { Type: 'host-gw' } });
  await lab.waitFor({
    what: 'no route into the old network',
    read: () => overlayRoutes(one),
    until: routes => routes.length === 0,
  });
  const ours = await one.namespace.ipJson('route', 'show', 'proto', '83');
  t.equal(ours.length, 1, 'only the route into the new network');
  t.match(ours[0]?.dst, /^10\.6\./);
});
