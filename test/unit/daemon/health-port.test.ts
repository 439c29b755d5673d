/** The health port: what probes read, and an address that cannot be had at first. */
import { createServer } from 'node:net';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { emptyFacts, type Facts } from '../../../src/daemon/facts.js';
import { healthRoutes, serveHealth } from '../../../src/daemon/health-port.js';
import { freePort } from '../../support/free-port.js';
import { recordedLog } from '../../support/recorded-log.js';
import { CLOCK, codes, entryOf, joined, started, withFiles } from '../../support/status-facts.js';
import { until } from '../../support/store-contract.js';

interface Served {
  readonly get: (path: string, method?: string) => Promise<{ code: number; text: string }>;
  readonly stop: () => Promise<void>;
}

function serve(t: Test, facts: Facts, port: number): Served {
  const stopping = new AbortController();
  const routes = healthRoutes(facts, '/net/config', () => CLOCK);
  const { log } = recordedLog();
  const ended = serveHealth({ ip: '127.0.0.1', port, log, facts, routes }, stopping.signal);
  const stop = async () => {
    stopping.abort();
    await ended;
  };
  t.teardown(stop);
  return {
    stop,
    get: async (path, method = 'GET') => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
      return { code: response.status, text: await response.text() };
    },
  };
}

t.test('ready only when the network works, alive all the time', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2)]);
  const port = await freePort();
  const { get } = serve(t, facts, port);
  await until(async () => (await get('/healthz').catch(() => undefined)) !== undefined, 'the port');
  t.same(await get('/healthz'), { code: 200, text: 'selvedge is running\n' });
  t.match(await get('/readyz'), { code: 503, text: /^selvedge is not ready: waiting for the kernel/ });
  await reconciling.settled();
  await withFiles(t, facts);
  t.same(await get('/readyz'), { code: 200, text: 'selvedge is ready\n' });
  t.same(await get('/readyz', 'HEAD'), { code: 200, text: '' });
  facts.ownLost = 'deleted';
  t.match(await get('/readyz'), { code: 503, text: /lost \(deleted\)/ });
  t.match(await get('/healthz'), { code: 200 });
  facts.lastPassAt = CLOCK.steady - 180_000;
  t.match(await get('/healthz'), { code: 200 });
  facts.lastPassAt = CLOCK.steady - 181_000;
  t.match(await get('/healthz'), { code: 503, text: /not been looked at for 181 s/ });
  t.match(await get('/'), { code: 404, text: /there is \/healthz, \/readyz/ });
  t.match(await get('/__proto__'), { code: 404 });
  t.match(await get('/healthz', 'POST'), { code: 405 });
});

t.test('before etcd has answered', async t => {
  const port = await freePort();
  const { get } = serve(t, emptyFacts(0), port);
  await until(async () => (await get('/healthz').catch(() => undefined)) !== undefined, 'the port');
  t.match(await get('/healthz'), { code: 200 }, 'a restart would not help');
  t.match(await get('/readyz'), { code: 503, text: 'selvedge is not ready: waiting for etcd to answer\n' });
});

t.test('a port that is in use is named, and taken once it is free', async t => {
  const port = await freePort();
  const other = createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  const facts = started();
  const { get, stop } = serve(t, facts, port);
  await until(() => facts.healthPortError !== undefined, 'the trouble');
  t.equal(
    facts.healthPortError,
    `cannot listen on 127.0.0.1:${port}: listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
  );
  t.strictSame(codes(facts), ['health-port']);
  other.close();
  await until(() => facts.healthPortError === undefined, 'the port');
  t.match(await get('/healthz'), { code: 200 });
  await stop();
  await t.rejects(get('/healthz'), 'closed in the end');
});
