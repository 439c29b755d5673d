/** The page of a real agent with 1,000 peers in a real browser: what it shows, that it follows, and without its agent. */
import t from 'tap';
import { startHost, waitForPeers } from '../../bench/agent-lab.js';
import { leaseOf } from '../../bench/peers.js';
import type { Host } from '../../src/demo/host.js';
import type { Lab } from '../../src/demo/lab.js';
import { Browser } from '../support/browser.js';
import { createLab } from '../support/lab.js';

const PORT = '9808';
const PEERS = 1_000;
/** What a browser would run if it ever took it for markup. */
const MARKUP = '<img src=x onerror="document.title=\'hacked\'"><script>document.title="hacked"</script>';

const ROWS = `[...document.querySelectorAll('#peers tr')]`;
const FIRST = '#peers tr:first-child';
const VERDICT = 'document.body.dataset.verdict';
const subnetOf = (number: number) => `10.${number >> 8}.${number & 255}.0/24`;
const rowOf = (number: number) =>
  `${ROWS}.find(row => row.children[1].textContent === '${subnetOf(number)}')`;

/**
 * Where the operator sits: a machine on the underlay, without an agent. Chromium gives up what it loads when an address comes, and
 * those of IPv6 come a second or two after their devices.
 */
async function startDesk(lab: Lab): Promise<Host> {
  const desk = await lab.addHost();
  const withoutIpv6 = 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6';
  await lab.commands.must(desk.namespace.argv(['sh', '-c', withoutIpv6]));
  return desk;
}

t.test('rows, live changes, hostile names, an agent that goes and comes again', async t => {
  const lab = await createLab(t);
  const agentOptions = ['--healthz-port', PORT];
  const host = await startHost(lab, PEERS, agentOptions);
  const desk = await startDesk(lab);
  const browser = await Browser.start({ argv: argv => desk.namespace.argv(argv), width: 1200, height: 900 });
  t.teardown(() => browser.close());
  const textOf = (selector: string) =>
    browser.evaluate<string>(`document.querySelector('${selector}').innerText`);
  await browser.open(`http://${host.address}:${PORT}/`);

  await browser.until(`${ROWS}.length === ${PEERS}`);
  t.match(await textOf('#verdict'), /^healthy\s+1000\/1000 peers programmed, .*0 drift$/);
  t.match(await textOf('#facts'), /^lease\s[^]*subnets\s[^]*etcd\s[^]*data plane\s[^]*agent\s/);
  t.match(await browser.evaluate(`${rowOf(300)}.innerText`), /172\.16\.1\.44\s+vxlan\s+programmed/);

  await t.test(
    'nothing moves when a figure gets another digit, on screens from a phone to a desk',
    async t => {
      const places = `JSON.stringify([...document.querySelectorAll('${FIRST} td, #figures > div, h2')].map(element => {
      const { x, y, width } = element.getBoundingClientRect();
      return [x, y, width];
    }))`;
      for (const [width, scheme] of [
        [390, 'dark'],
        [900, 'light'],
        [1200, 'light'],
      ] as const) {
        await browser.pretend(scheme, width, 900);
        const widest = await browser.evaluate('document.documentElement.scrollWidth');
        t.equal(widest, width, `${width}: nothing to scroll sideways for`);
        const before = await browser.evaluate(places);
        await browser.evaluate(
          `document.querySelector('${FIRST} td:last-child').textContent = '119 min ago'`,
        );
        await browser.evaluate(`document.querySelector('#figures dd').textContent = '999999'`);
        t.equal(await browser.evaluate(places), before, String(width));
      }
    },
  );

  await t.test('the filter, by the keyboard alone', async t => {
    await browser.press('Tab');
    t.equal(await browser.evaluate('document.activeElement.id'), 'filter', 'the first stop');
    for (const digit of '172.16.1.44') await browser.press(digit, digit);
    await browser.until(`${ROWS}.length === 1`);
    t.equal(await textOf('#peer-count'), '1 of 1000 peers');
    await browser.evaluate(`filter.value = '', filter.dispatchEvent(new Event('input'))`);
    await browser.until(`${ROWS}.length === ${PEERS}`);
  });

  await t.test('a name is text, whatever it says', async t => {
    const { key, value } = leaseOf(PEERS + 1);
    const lease = JSON.parse(value) as object;
    const holder = { NodeID: '0123456789abcdef0123456789abcdef', Name: MARKUP };
    await lab.etcd.ctl('put', key, JSON.stringify({ ...lease, Selvedge: holder }));
    await lab.etcd.ctl('put', `/net/subnets/${MARKUP}`, MARKUP);
    await browser.until(`${rowOf(PEERS + 1)} && document.querySelector('#set-aside tr')`);
    t.equal(await browser.evaluate(`${rowOf(PEERS + 1)}.children[0].textContent`), MARKUP);
    t.match(await textOf('#set-aside'), MARKUP);
    t.equal(await browser.evaluate(`document.querySelectorAll('img, body script').length`), 0);
    t.match(await browser.evaluate('document.title'), /^healthy · 10\.\S+ · selvedge$/);
  });

  await t.test('trouble comes to the top, and only its row is drawn again', async t => {
    await browser.evaluate(`
      window.drawn = new Set();
      new MutationObserver(changes => {
        for (const { target, addedNodes } of changes)
          for (const node of [target, ...addedNodes]) {
            const row = (node.closest ? node : node.parentElement).closest('tr');
            if (row !== null) drawn.add(row.children[1].textContent);
          }
      }).observe(peers, { subtree: true, childList: true, characterData: true, attributes: true });
    `);
    const route = [subnetOf(500), 'proto', 'static'];
    await host.namespace.ip('route', 'replace', ...route, 'via', '192.168.77.254');
    await browser.until(`${VERDICT} === 'degraded'`);
    t.match(await textOf('#problems'), /^problem route-conflict\s+seen\s[^]*cause\s[^]*next\s/);
    t.equal(
      await browser.evaluate(`document.querySelector('${FIRST}').children[1].textContent`),
      subnetOf(500),
    );
    await host.namespace.ip('route', 'delete', ...route);
    await browser.until(`${VERDICT} === 'healthy' && problems.childElementCount === 0`);
    t.equal(await browser.evaluate(`${ROWS}.indexOf(${rowOf(500)}) > 1`), true, 'it is back in its place');
    const drawn = await browser.evaluate<string[]>('[...drawn]');
    t.ok(drawn.includes(subnetOf(500)));
    // The one before which it was put, too, while it changed its place.
    t.ok(drawn.length <= 3, `drawn again: ${drawn.join(', ')}`);
  });

  await t.test('an agent that is away, and back', async t => {
    await host.stopAgent();
    await browser.until(`!away.hidden && document.body.classList.contains('old')`);
    t.match(await textOf('#away'), /^The agent does not answer: .*what it said last/);
    t.equal(await browser.evaluate(`${ROWS}.length`), PEERS + 1, 'what was known stays');
    await host.startAgent(agentOptions);
    await waitForPeers(lab, host, PEERS + 1);
    await browser.until(
      `away.hidden && !document.body.classList.contains('old') && ${VERDICT} === 'healthy'`,
    );
  });

  const broken = browser.complaints.filter(text => !text.includes('ERR_CONNECTION_REFUSED'));
  t.strictSame(broken, [], 'no error, and no breach of its own policy');
});
