/** How facts are had, and what becomes of those that cannot be. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { factOf } from '../../../src/doctor/gather.js';
import { readAgent, type Unreachable } from '../../../src/doctor/read/agent.js';
import { readEtcdServers } from '../../../src/doctor/read/etcd.js';
import { parseDeviceCounters, parseUdpCounter } from '../../../src/doctor/read/counters.js';
import { takeLock } from '../../../src/daemon/lock.js';
import { STATUS } from '../../support/host-facts.js';
import { optionsWith } from '../../support/status-facts.js';

async function serve(t: Test, answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

t.test('a fact that cannot be had is one too', async t => {
  t.same(await factOf(Promise.resolve(3), 1000), { ok: true, value: 3 });
  t.same(await factOf(Promise.reject(new Error('EACCES')), 1000), { ok: false, why: 'EACCES' });
  t.same(await factOf(new Promise(() => undefined), 1), { ok: false, why: 'no answer within 0.001 s' });
});

t.test('an agent, and the ways not to have one', async t => {
  const instance = `doctor${process.pid}`;
  // A socket's path must be short.
  const runDir = mkdtempSync(join(tmpdir(), 'selvedge-'));
  t.teardown(() => rmSync(runDir, { recursive: true }));
  for (const name of ['other.sock', 'readme.txt']) writeFileSync(join(runDir, name), '');
  const options = optionsWith({ instance: [instance], 'run-dir': [runDir] });
  const unreachable = (code?: string): (() => Promise<{ unreachable: Unreachable }>) => {
    return () => Promise.resolve({ unreachable: { seen: 'no answer', cause: 'why', next: 'do', code } });
  };
  t.match(await readAgent(options, () => Promise.resolve({ status: STATUS })), {
    kind: 'answers',
    status: STATUS,
  });
  t.same(await readAgent(options, unreachable('ENOENT')), { kind: 'down', otherInstances: ['other'] });
  await t.rejects(readAgent(options, unreachable('EACCES')), { message: 'no answer: why' });
  const lock = await takeLock(`instance ${instance}`, { pid: process.pid, instance });
  t.teardown(() => lock.release());
  t.match(await readAgent(options, unreachable('ENOENT')), { kind: 'silent', cause: /--run-dir/ });
  t.match(await readAgent(options, unreachable()), { kind: 'silent', cause: 'why' });
});

t.test('version and clock of an endpoint', async t => {
  const { etcd } = optionsWith();
  const at = Date.UTC(2026, 0, 1);
  const date = new Date(at + 60_000).toUTCString();
  const url = await serve(t, ({ url: path }, response) => {
    response.setHeader('Date', date);
    response.end(path === '/version' ? '{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}' : '');
  });
  const ask = (endpoints: string[]) => readEtcdServers({ ...etcd, endpoints }, () => at);
  t.same(await ask([url]), [{ url, version: '3.4.23', aheadMs: 60_500 }]);
  const mute = await serve(t, (_, response) => {
    response.sendDate = false;
    response.end('{}');
  });
  const endless = await serve(t, (_, response) => response.end('x'.repeat(100_000)));
  const gone = 'http://127.0.0.1:1';
  const nothing = { version: undefined, aheadMs: undefined };
  t.same(
    await ask([mute, endless, gone]),
    [mute, endless, gone].map(url => ({ url, ...nothing })),
  );
});

t.test('a counter of /proc/net/snmp', async t => {
  const text =
    'Ip: A B\nIp: 1 2\nUdp: InDatagrams NoPorts InCsumErrors\nUdp: 7 8 9\nUdpLite: InCsumErrors\nUdpLite: 4\n';
  t.equal(parseUdpCounter(text, 'InCsumErrors'), 9);
  t.throws(() => parseUdpCounter(text, 'Other'), /no Other of UDP/);
  t.throws(() => parseUdpCounter('', 'InCsumErrors'));
});

t.test('counters of a device', async t => {
  const text = ` face |bytes packets errs\n    lo: 1 2 0 0 0 0 0 0 1 2 0 0 0 0 0 0\nflannel.1:  900 9 0 0 0 0 0 0 700 7 1 4 0 0 0 0\n`;
  t.same(parseDeviceCounters(text, 'flannel.1'), { received: 9, sent: 7, unsent: 5 });
  t.throws(() => parseDeviceCounters(text, 'flannel.2'), /has no flannel.2/);
});
