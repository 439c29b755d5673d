/** Makes the README's picture of the page, a program: `node page-picture.js FILE [light|dark]`. Four real agents, one in trouble. */
import { writeFile } from 'node:fs/promises';
import { Lab } from '../../src/demo/lab.js';
import { Browser } from './browser.js';
import { SELVEDGE } from './lab.js';

const PORT = '9808';
const HOSTS = 4;
const [WIDTH, HEIGHT] = [1200, 900];

const [file = 'page.png', scheme = 'light'] = process.argv.slice(2);
/** Hosts in namespaces have this machine's name; these get one each, by the last byte of their address. */
const NAMED = 'hostname "node$(ip -4 -brief address show eth0 | grep -o "[0-9]*/" | tr -d /)"; exec "$@"';

const lab = await Lab.create({ selvedge: ['unshare', '--uts', 'sh', '-c', NAMED, 'sh', ...SELVEDGE] });
try {
  await lab.startEtcd();
  await lab.setConfig({ Network: '10.5.0.0/16', Backend: { Type: 'vxlan' } });
  for (let i = 0; i < HOSTS; i++) {
    const host = await lab.addHost();
    await host.startAgent(['--healthz-port', PORT]);
    await host.waitForSubnet();
  }
  const [one, two, three] = lab.hosts;
  const { lease } = await two!.waitForHealth(HOSTS - 1);
  await one!.waitForHealth(HOSTS - 1);
  // One thing that the agent mends, and one that it leaves to the operator.
  await one!.namespace.ip('route', 'delete', (await three!.waitForHealth(HOSTS - 1)).lease!.subnet);
  await one!.namespace.ip('route', 'replace', lease!.subnet, 'via', two!.address, 'proto', 'static');
  const argv = (words: readonly string[]) => one!.namespace.argv(words);
  const browser = await Browser.start({ argv, width: WIDTH, height: HEIGHT });
  try {
    await browser.pretend(scheme === 'dark' ? 'dark' : 'light', WIDTH, HEIGHT);
    await browser.open(`http://127.0.0.1:${PORT}/`);
    await browser.until(`document.body.dataset.verdict === 'degraded'`);
    await writeFile(file, await browser.picture());
  } finally {
    await browser.close();
  }
} finally {
  await lab.dispose();
}
