/** The network card under a running agent goes away: pulled out and put back, as another device in the kernel's eyes. */
import t from 'tap';
import { BACKENDS, hostOf, startCluster, unreachedPairs } from '../support/cluster.js';

/** What the status names while the card is away. */
const NAMED = { vxlan: 'device-trouble', 'host-gw': 'kernel-refused' };

for (const type of BACKENDS) {
  t.test(`${type}: the card is taken away and comes back with another index`, async t => {
    const lab = await startCluster(t, { hosts: 2, backend: { Type: type } });
    const one = hostOf(lab, 1);
    const [before] = await one.namespace.ipJson('link', 'show', 'eth0');
    await lab.underlay.unplug(one.name);
    await lab.waitFor({
      what: `${NAMED[type]} in the status`,
      read: () => one.status(),
      until: seen => seen?.problems.some(({ code }) => code === NAMED[type]) === true,
    });
    await lab.underlay.plug(one);
    const [after] = await one.namespace.ipJson('link', 'show', 'eth0');
    t.not(after?.ifindex, before?.ifindex);
    await one.waitForHealth(1);
    t.same(await unreachedPairs(lab.hosts), []);
    t.equal(one.agent?.code, undefined, 'the agent ran all the time');
  });
}
