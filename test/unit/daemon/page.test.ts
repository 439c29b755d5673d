/** What the health port serves for the page: the files, what guards them, and how little it costs to ask. */
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import t, { type Test } from 'tap';
import { createReadServer, listen, close } from '../../../src/daemon/http-server.js';
import { PAGE_MODULES, pageRoutes } from '../../../src/daemon/page/routes.js';
import type { StatusDocument } from '../../../src/daemon/status.js';
import { healthyStatus } from './example-status.js';

/** What `npm run build` made; the tests' own copy of src/ has no DOM. */
const BUILD = new URL('../../../../dist/web/', import.meta.url);

interface Served {
  readonly port: number;
  readonly get: (path: string, method?: string) => Promise<Response>;
  readonly clock: { ms: number };
}

async function serve(t: Test, status: () => StatusDocument): Promise<Served> {
  const clock = { ms: 0 };
  const routes = pageRoutes({ status, now: () => clock.ms, directory: BUILD });
  const server = createReadServer(routes, error => t.comment(error));
  await listen(server, { host: '127.0.0.1', port: 0 });
  t.teardown(() => close(server));
  const { port } = server.address() as AddressInfo;
  return { port, clock, get: (path, method = 'GET') => fetch(`http://127.0.0.1:${port}${path}`, { method }) };
}

t.test('all files are there, guarded, and only to be read', async t => {
  const { get } = await serve(t, () => healthyStatus);
  const types: readonly (readonly [path: string, type: string])[] = [
    ['/', 'text/html; charset=utf-8'],
    ['/page/page.css', 'text/css; charset=utf-8'],
    ['/page/icon.svg', 'image/svg+xml; charset=utf-8'],
    ['/status.json', 'application/json'],
    ...PAGE_MODULES.map(path => [`/${path}`, 'text/javascript; charset=utf-8'] as const),
  ];
  for (const [path, type] of types) {
    const { status, headers } = await get(path);
    t.strictSame([status, headers.get('content-type')], [200, type], path);
    const policy = headers.get('content-security-policy') ?? '';
    t.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; /, path);
    t.notMatch(policy, /unsafe|http|\*/, path);
    t.equal(headers.get('x-content-type-options'), 'nosniff', path);
    t.equal((await get(path, 'HEAD')).status, 200, path);
    t.equal((await get(path, 'POST')).status, 405, path);
  }
  t.equal((await get('/page/../daemon/run.js')).status, 404);
  t.equal((await get('/page/%2e%2e/daemon/run.js')).status, 404);
});

t.test('no resource of another place, and no script or style in the markup', async t => {
  const { get } = await serve(t, () => healthyStatus);
  const html = await (await get('/')).text();
  for (const [, address = ''] of html.matchAll(/(?:src|href)="([^"]*)"/g)) {
    t.notMatch(address, /^(?:[a-z]+:|\/)/, `${address} is relative`);
  }
  t.notMatch(html, /<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=/);
  t.notMatch(html, 'PEER_TITLES');
});

t.test('every module that a module imports is served', async t => {
  const served = new Set<string>(PAGE_MODULES);
  for (const path of PAGE_MODULES) {
    const text = readFileSync(new URL(path, BUILD), 'utf8');
    for (const [, imported = ''] of text.matchAll(/from '([^']+)'/g)) {
      t.ok(served.has(posix.join(posix.dirname(path), imported)), `${path} imports ${imported}`);
    }
    t.notMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/, path);
  }
});

t.test('the document is made once a second, however many ask', async t => {
  let made = 0;
  const { get, clock } = await serve(t, () => ({ ...healthyStatus, awaiting: String(++made) }));
  const awaiting = async () => ((await (await get('/status.json')).json()) as StatusDocument).awaiting;
  t.strictSame(await Promise.all([awaiting(), awaiting(), awaiting()]), ['1', '1', '1']);
  clock.ms = 999;
  t.equal(await awaiting(), '1');
  clock.ms = 1_000;
  t.equal(await awaiting(), '2');
});

t.test('a browser that never reads a long document is dropped', async t => {
  const notes = ['x'.repeat(8 * 1024 * 1024)];
  const { port, get } = await serve(t, () => ({
    ...healthyStatus,
    config: { ...healthyStatus.config, notes },
  }));
  const client = connect(port, '127.0.0.1');
  await once(client, 'connect');
  client.pause();
  client.write('GET /status.json HTTP/1.1\r\nHost: x\r\n\r\n');
  t.equal((await get('/')).status, 200, 'others are answered meanwhile');
  // A reader would see the end only behind the answer; a writer is told at once.
  const dropped = once(client, 'error').catch((error: unknown) => error);
  const writer = setInterval(() => client.write('x'), 50);
  t.teardown(() => clearInterval(writer));
  t.match(await dropped, [{ code: /EPIPE|ECONNRESET/ }]);
});

t.test('a secret that an admin put into the config is not shown', async t => {
  const config = {
    ...healthyStatus.config,
    running: '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","PSK":"hush-hush"}}',
    notes: ['Backend.PSK: "hush-hush" is ignored', 'Backend: {"PSK":"hush-hush"}'],
  };
  const { get } = await serve(t, () => ({ ...healthyStatus, config }));
  t.notMatch(await (await get('/status.json')).text(), 'hush');
});
