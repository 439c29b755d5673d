/** Every way in which TLS to etcd fails, provoked for real; and certificates that change under a running store. */
import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { EndpointView } from '../../src/subnet/etcd3-store.js';
import { etcdctl } from '../../src/subnet/etcdctl.js';
import { needsEtcd, startEtcd, type Etcd, type EtcdOptions } from '../support/etcd.js';
import {
  copyCertificate,
  makeCertificates,
  type Certificate,
  type Certificates,
} from '../support/etcd-certificates.js';
import { startEtcdAgent } from '../support/etcd-agent.js';
import { makeStore, never } from '../support/etcd-store.js';
import { freePort } from '../support/free-port.js';
import { matchAll } from '../support/match-all.js';
import { recordedLog } from '../support/recorded-log.js';
import { openWatch, until } from '../support/store-contract.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

const DAY_MS = 86_400_000;

function certificatesFor(t: Test): Certificates {
  const certificates = makeCertificates();
  t.teardown(() => certificates.remove());
  return certificates;
}

async function startEtcdFor(t: Test, options?: EtcdOptions): Promise<Etcd> {
  const etcd = await startEtcd(options);
  t.teardown(() => etcd.destroy());
  return etcd;
}

function endOf(certFile: string): number {
  return Date.parse(new X509Certificate(readFileSync(certFile)).validTo);
}

function startSecure(t: Test, { client }: Certificates, tls: NonNullable<EtcdOptions['tls']>): Promise<Etcd> {
  // It asks only whether etcd is up, whatever the server's certificate is.
  const etcdctlArgs = ['--insecure-skip-tls-verify', `--cert=${client.certFile}`, `--key=${client.keyFile}`];
  return startEtcdFor(t, { tls, etcdctlArgs });
}

t.test('every way of failing has a name, a cause and a next command', needsEtcd(), async t => {
  const certificates = certificatesFor(t);
  const { caFile, otherCaFile, server, client, issue } = certificates;
  const start = async (pair: Certificate, clientCaFile?: string) => {
    const tls = { ...pair, ...(clientCaFile !== undefined && { clientCaFile }) };
    return (await startSecure(t, certificates, tls)).url;
  };
  const plain = await startEtcdFor(t);
  const past = { from: Date.now() - 3 * DAY_MS, until: Date.now() - 2 * DAY_MS };
  const [open, strict, expired, early, misnamed, selfSigned] = await Promise.all([
    start(server),
    start(server, caFile),
    start(issue('expired', past)),
    start(issue('early', { from: Date.now() + DAY_MS, until: Date.now() + 2 * DAY_MS })),
    start(issue('misnamed', { names: 'DNS:etcd1.example' })),
    start(issue('self', { by: 'self' })),
  ]);
  const read = (endpoint: string, tls?: { caFile?: string; certFile?: string; keyFile?: string }) =>
    makeStore(t, { endpoints: [endpoint], ...(tls !== undefined && { tls }) }).read('/net/a');
  t.equal(await read(open, { caFile }), undefined, 'a CA alone will do');
  t.equal(await read(strict, { caFile, ...client }), undefined, 'a client certificate');
  const advised = `${etcdctl({ endpoints: [strict], caFile, ...client })} get /net/a`;
  t.equal(execFileSync('/bin/sh', ['-c', advised], { encoding: 'utf8' }), '', 'as advised to operators');

  const oldClient = issue('old-client', past);
  const strangeClient = issue('strange-client', { by: 'other' });
  const showCertificate = /^(?:date; )?openssl s_client -connect 127\.0\.0\.1:\d+ <\/dev\/null/;
  for (const [what, attempt, code, cause, next] of [
    [
      'a wrong CA',
      () => read(open, { caFile: otherCaFile }),
      'server-untrusted',
      /is signed by "ca", not by .*other\.crt$/,
      showCertificate,
    ],
    [
      'no CA',
      () => read(open),
      'server-untrusted',
      /signed by "ca", not by the system's authorities/,
      showCertificate,
    ],
    [
      'self-signed',
      () => read(selfSigned, { caFile }),
      'server-untrusted',
      /is signed by "self", not by .*ca\.crt$/,
      showCertificate,
    ],
    [
      'an expired server',
      () => read(expired, { caFile }),
      'server-expired',
      /has expired, on \w+ .* GMT/,
      showCertificate,
    ],
    [
      'a server of the future',
      () => read(early, { caFile }),
      'server-not-yet-valid',
      /is not valid yet, only from \w+ .* GMT/,
      showCertificate,
    ],
    [
      'a wrong name',
      () => read(misnamed, { caFile }),
      'server-name',
      /is not for 127\.0\.0\.1: it is for DNS:etcd1\.example/,
      showCertificate,
    ],
    [
      'no client certificate',
      () => read(strict, { caFile }),
      'client-certificate',
      /wants a client certificate and none is given/,
      /--etcd-certfile and --etcd-keyfile/,
    ],
    [
      "another CA's client",
      () => read(strict, { caFile, ...strangeClient }),
      'client-certificate',
      /refuses our client certificate .*strange-client\.crt: it is not signed by/,
      /openssl x509 -in .*strange-client\.crt/,
    ],
    [
      'an expired client',
      () => read(strict, { caFile, ...oldClient }),
      'client-certificate',
      /our client certificate .*old-client\.crt has expired, on \d{4}-/,
      /read again by itself/,
    ],
    [
      'http to TLS',
      () => read(open.replace('https', 'http')),
      'tls-expected',
      /speaks TLS, and the endpoint says http/,
      /use https:/,
    ],
    [
      'https to plain',
      () => read(plain.url.replace('http', 'https'), { caFile }),
      'tls-not-spoken',
      /speaks plain http/,
      /use http:/,
    ],
  ] as const) {
    const expected = { name: 'StoreError', kind: 'tls', advice: { code, cause, next } };
    await t.rejects(attempt(), expected, what);
  }
});

t.test('an endpoint that cannot be reached is away, and says how', needsEtcd(), async t => {
  const silent = await startTcpProxy({ host: '127.0.0.1', port: (await startEtcdFor(t)).port });
  t.teardown(() => silent.close());
  silent.stall('both');
  const nobody = await freePort();
  for (const [endpoint, code, cause] of [
    ['http://no-such-host.invalid:2379', 'host-unknown', /no-such-host\.invalid does not resolve/],
    [`http://127.0.0.1:${nobody}`, 'connection-refused', /nothing listens at 127\.0\.0\.1:/],
    [`https://127.0.0.1:${nobody}`, 'connection-refused', /nothing listens/],
    [silent.url, 'no-answer', /no answer from 127\.0\.0\.1:\d+: etcd hangs, or a firewall/],
    [silent.url.replace('http', 'https'), 'no-answer', /no answer/],
  ] as const) {
    const store = makeStore(t, { endpoints: [endpoint], requestTimeoutMs: 500 });
    await t.rejects(store.read('/net/a'), {
      name: 'StoreError',
      kind: 'unavailable',
      advice: { code, cause },
    });
  }
});

t.test(
  'etcd moves to another CA: with our files replaced all goes on without a restart',
  needsEtcd(),
  async t => {
    const certificates = certificatesFor(t);
    const { caFile, otherCaFile, server, client, file, issue } = certificates;
    const serving = { certFile: file('serving.crt'), keyFile: file('serving.key') };
    const ours = { certFile: file('ours.crt'), keyFile: file('ours.key') };
    const authorities = file('authorities.crt');
    const trusted = file('trusted.crt');
    copyCertificate(server, serving);
    copyCertificate(client, ours);
    writeFileSync(trusted, readFileSync(caFile));
    writeFileSync(authorities, Buffer.concat([readFileSync(caFile), readFileSync(otherCaFile)]));
    const etcd = await startSecure(t, certificates, { ...serving, clientCaFile: authorities });
    const proxy = await startTcpProxy({ host: etcd.address, port: etcd.port });
    t.teardown(() => proxy.close());
    const { log, lines } = recordedLog();
    const views: unknown[] = [];
    const store = makeStore(t, {
      endpoints: [`https://127.0.0.1:${proxy.port}`],
      tls: { caFile: trusted, ...ours },
      onCredentials: view => views.push(view),
      lookEveryMs: 100,
      log,
    });
    const snapshot = await store.list('/net/', never);
    const { id } = await store.grantLease(600);
    const watch = openWatch(store, '/net/', snapshot);
    await watch.opened;
    t.equal(await store.keepAlive(id), 600);

    // A key that does not belong to the certificate, as between the two steps of a renewal.
    const renewed = issue('renewed', { by: 'other' });
    writeFileSync(ours.certFile, readFileSync(renewed.certFile));
    await until(
      () => views.some(view => (view as { fault?: string }).fault !== undefined),
      'the fault to show',
    );
    t.match(lines.at(-1), {
      level: 'warn',
      msg: `etcd: client key ${ours.keyFile}: does not belong to the certificate in ${ours.certFile}; what was read before stays in use, and the files are tried again`,
    });
    t.equal(await store.read('/net/a'), undefined, 'the old ones serve');
    writeFileSync(ours.certFile, readFileSync(renewed.certFile).subarray(0, 200));
    await until(
      () => lines.at(-1)?.msg.includes('is cut off within a certificate') === true,
      'a half-written file',
    );

    copyCertificate(renewed, ours);
    writeFileSync(trusted, readFileSync(otherCaFile));
    await until(() => lines.at(-1)?.level === 'info', 'the new files to be taken');
    t.match(lines.filter(({ level }) => level === 'warn').length, 2, 'one line for each fault');
    await etcd.etcdctl('put', '/net/a', '1');
    await until(() => watch.changes.length === 1, 'the watch of before goes on');

    copyCertificate(issue('served-anew', { by: 'other' }), serving);
    await etcd.restart();
    t.match(await watch.end, { kind: 'broken' });
    await until(
      async () => (await store.read('/net/a').catch(() => undefined))?.value === '1',
      'etcd under its new CA',
    );
    const again = openWatch(store, '/net/', snapshot);
    await until(() => again.changes.length === 1, 'what the first watch saw, from the same revision');
    t.equal(await store.keepAlive(id), 600);
    again.stop();
  },
);

t.test(
  'one of several endpoints is not trusted: the next serves, and it is said once',
  needsEtcd(),
  async t => {
    const certificates = certificatesFor(t);
    const { caFile, server, issue } = certificates;
    const [good, bad] = await Promise.all([
      startSecure(t, certificates, server),
      startSecure(t, certificates, issue('strange', { by: 'other' })),
    ]);
    const { log, lines } = recordedLog();
    const endpoints = [bad.url, good.url];
    let view: readonly EndpointView[] = [];
    const onEndpoints = (all: readonly EndpointView[]) => (view = all);
    const store = makeStore(t, { endpoints, tls: { caFile }, random: () => 0, log, onEndpoints });
    t.equal(await store.read('/net/a'), undefined);
    await until(
      () => view.every(({ certificateEndsAt }) => certificateEndsAt !== undefined),
      'a look at both',
    );
    matchAll(t, view, [
      { url: bad.url, passedOver: { advice: { code: 'server-untrusted' } } },
      { url: good.url, passedOver: undefined, certificateEndsAt: endOf(server.certFile) },
    ]);
    await good.stop();
    for (let i = 0; i < 3; i++) await t.rejects(store.read('/net/a'), { name: 'StoreError' });
    t.strictSame(
      lines.filter(({ level }) => level === 'warn').map(({ url, code }) => [url, code]),
      [
        [bad.url, 'server-untrusted'],
        [good.url, 'connection-refused'],
      ],
    );
  },
);

t.test('a client certificate ends while it is in use, and is replaced later', needsEtcd(), async t => {
  const certificates = certificatesFor(t);
  const { caFile, server, client, file, issue } = certificates;
  const ours = { certFile: file('ours.crt'), keyFile: file('ours.key') };
  const etcd = await startSecure(t, certificates, { ...server, clientCaFile: caFile });
  const proxy = await startTcpProxy({ host: etcd.address, port: etcd.port });
  t.teardown(() => proxy.close());
  // Last of all, for the agent alone has to be quicker.
  const endsAt = Date.now() + 10_000;
  copyCertificate(issue('short', { until: endsAt }), ours);
  const agent = startEtcdAgent(
    t,
    makeStore(t, { endpoints: [`https://127.0.0.1:${proxy.port}`], tls: { caFile, ...ours } }),
    60,
  );
  await until(() => agent.renewals() > 0, 'a lease');
  await until(() => Date.now() > endsAt + 1_000, 'its end');
  const lookFor = async (value: string) => {
    await etcd.etcdctl('put', '/net/news', value);
    await until(() => agent.entries().get('/net/news')?.value === value, value);
  };
  await lookFor('open connections go on');
  t.ok(agent.connection()?.connected);

  proxy.drop();
  await until(() => agent.connection()?.error?.kind === 'tls', 'the refusal');
  t.match(agent.connection()?.error, {
    kind: 'tls',
    advice: { code: 'client-certificate', cause: /ours\.crt has expired, on / },
  });
  copyCertificate(client, ours);
  await until(() => agent.connection()?.connected === true, 'the new certificate');
  await lookFor('the watch goes on');
  t.equal(agent.owned.length, 1, 'with the same lease');
});

t.test('an expired client certificate is replaced', needsEtcd(), async t => {
  const certificates = certificatesFor(t);
  const { caFile, server, client, file, issue } = certificates;
  const ours = { certFile: file('ours.crt'), keyFile: file('ours.key') };
  copyCertificate(issue('old', { from: Date.now() - 2 * DAY_MS, until: Date.now() - DAY_MS }), ours);
  const { url } = await startSecure(t, certificates, { ...server, clientCaFile: caFile });
  const store = makeStore(t, { endpoints: [url], tls: { caFile, ...ours } });
  await t.rejects(store.read('/net/a'), {
    name: 'StoreError',
    kind: 'tls',
    advice: { cause: /has expired/ },
  });
  copyCertificate(client, ours);
  // A failure shows that the files have changed, within the same call.
  t.equal(await store.read('/net/a'), undefined);
});

t.test('nothing but our own words on standard error', needsEtcd(), async t => {
  const certificates = certificatesFor(t);
  const { caFile, server } = certificates;
  const { url } = await startSecure(t, certificates, server);
  t.match(url, /^https:\/\/127\.0\.0\.\d+:/, 'Node warns of an address as a server name');
  const program = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
  const options = ['--etcd-endpoints', url, '--etcd-cafile', caFile, '--etcd-prefix', '/net'];
  const { stdout, stderr } = spawnSync(process.execPath, [program, 'leases', ...options], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  t.match(stdout, /^there is no config at/, 'etcd has answered');
  t.equal(stderr, '');
});
