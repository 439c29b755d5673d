/** Agents that reach etcd with certificates and a password: both change under them, and no packet notices. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createNamespace } from '../../src/demo/namespace.js';
import type { Host } from '../../src/demo/host.js';
import type { Lab } from '../../src/demo/lab.js';
import { ETCD_PLACE, underlayAddress } from '../../src/demo/underlay.js';
import type { StatusDocument } from '../../src/daemon/status.js';
import { containerOf, hostOf } from '../support/cluster.js';
import { startEtcd, type Etcd } from '../support/etcd.js';
import { AS_ROOT, enableAuth } from '../support/etcd-auth.js';
import { copyCertificate, makeCertificates, type Certificates } from '../support/etcd-certificates.js';
import { createLab } from '../support/lab.js';
import { noneLost, packetsBetween } from '../support/uninterrupted.js';

const SOME_PACKETS = 1_000;
const ADDRESS = underlayAddress(ETCD_PLACE);
const NAMES = `IP:${ADDRESS}`;

interface Secured {
  readonly lab: Lab;
  readonly etcd: Etcd;
  readonly certificates: Certificates;
  /** Files that etcd and the agents use, whatever is copied into them. */
  readonly serving: { readonly certFile: string; readonly keyFile: string };
  readonly ours: { readonly certFile: string; readonly keyFile: string };
  readonly trusted: string;
  readonly passwordFile: string;
}

/** etcd with TLS, client certificates and users, and two agents that the etcd user `bob` lets in. */
async function startSecured(t: Test, bob: 'readwrite' | 'read'): Promise<Secured> {
  const lab = await createLab(t);
  const certificates = makeCertificates();
  t.teardown(() => certificates.remove());
  const { file, issue, caFile, otherCaFile, client } = certificates;
  const serving = { certFile: file('serving.crt'), keyFile: file('serving.key') };
  const ours = { certFile: file('ours.crt'), keyFile: file('ours.key') };
  const [trusted, authorities] = [file('trusted.crt'), file('authorities.crt')];
  copyCertificate(issue('first', { names: NAMES }), serving);
  copyCertificate(client, ours);
  await writeFile(trusted, await readFile(caFile));
  await writeFile(authorities, Buffer.concat([await readFile(caFile), await readFile(otherCaFile)]));
  const passwordFile = join(lab.directory, 'password');
  await writeFile(passwordFile, 'bob-secret\n', { mode: 0o600 });

  const namespace = await createNamespace(`${lab.id}-etcd`, lab.commands);
  await lab.underlay.plug({ name: 'etcd', place: ETCD_PLACE, namespace });
  const etcd = await startEtcd({
    address: ADDRESS,
    prefix: namespace.argv([]),
    tls: { ...serving, clientCaFile: authorities },
    args: ['--auth-token-ttl=5'],
    etcdctlArgs: ['--insecure-skip-tls-verify', `--cert=${client.certFile}`, `--key=${client.keyFile}`],
  });
  t.teardown(() => etcd.destroy());
  await enableAuth(etcd, bob);
  await etcd.etcdctl(AS_ROOT, 'put', '/net/config', '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}');
  const options = [
    ['--etcd-endpoints', etcd.url, '--etcd-cafile', trusted],
    ['--etcd-certfile', ours.certFile, '--etcd-keyfile', ours.keyFile],
    ['--etcd-username', 'bob', '--etcd-password-file', passwordFile],
    // A lease outlives any time without access, on a busy machine too.
    ['--lease-ttl', '300s', '--log-level', 'trace'],
  ].flat();
  for (let i = 0; i < 2; i++) await (await lab.addHost()).startAgent(options);
  return { lab, etcd, certificates, serving, ours, trusted, passwordFile };
}

function statusWhen(
  lab: Lab,
  host: Host,
  what: string,
  until: (status: StatusDocument) => boolean,
): Promise<StatusDocument | undefined> {
  return lab.waitFor({
    what: `${host.name}: ${what}`,
    read: () => host.status(),
    until: status => status !== undefined && until(status),
  });
}

/** Waits for a problem; on a busy machine another one may be told before it, or the same with less about its cause. */
function problemWhen(lab: Lab, host: Host, code: string, cause: RegExp): Promise<StatusDocument | undefined> {
  return statusWhen(lab, host, `${code}: ${cause}`, ({ problems }) =>
    problems.some(problem => problem.code === code && cause.test(problem.cause)),
  );
}

t.test('certificates, CA and password change under running agents: no packet is lost', async t => {
  const secured = await startSecured(t, 'readwrite');
  const { lab, etcd, certificates, serving, ours, trusted, passwordFile } = secured;
  const { issue, otherCaFile } = certificates;
  const one = hostOf(lab, 1);
  for (const host of lab.hosts) {
    await host.waitForHealth(1);
    await host.addContainer();
  }
  const leases = async () =>
    (await etcd.etcdctl(AS_ROOT, 'get', '--prefix', '/net/subnets/', '--write-out=fields'))
      .split('\n')
      .filter(line => /^"(?:Key|CreateRevision|ModRevision|Lease)"/.test(line));
  const before = await leases();
  const stream = await packetsBetween(t, containerOf(one), containerOf(hostOf(lab, 2)));
  await stream.flow(SOME_PACKETS);

  // etcd moves to another CA, and restarts: that is refused by name until our files follow.
  copyCertificate(issue('second', { names: NAMES, by: 'other' }), serving);
  await etcd.restart();
  const refused = await problemWhen(lab, one, 'etcd-tls', /is signed by "other", not by .*trusted\.crt/);
  t.match(refused?.etcd, { connected: false });
  await stream.flow(SOME_PACKETS);
  copyCertificate(issue('renewed', { by: 'other' }), ours);
  await writeFile(trusted, await readFile(otherCaFile));
  for (const host of lab.hosts)
    await statusWhen(lab, host, 'trusts it', ({ verdict }) => verdict === 'healthy');

  // The password changes in etcd, and then in the file.
  await etcd.etcdctlWithInput('new-secret\n', AS_ROOT, 'user', 'passwd', 'bob', '--interactive=false');
  await etcd.restart();
  await problemWhen(lab, one, 'etcd-denied', /no user "bob" with this password/);
  await writeFile(passwordFile, 'new-secret\n');
  for (const host of lab.hosts)
    await statusWhen(lab, host, 'is let in', ({ verdict }) => verdict === 'healthy');

  await stream.flow(SOME_PACKETS);
  await noneLost(t, stream);
  t.same(await leases(), before, 'the leases are the same, and nobody wrote to them');
  await noSecretIn(t, secured);
});

t.test('a role that may only read: status says so, and the agents join once it may write', async t => {
  const { lab, etcd } = await startSecured(t, 'read');
  const one = hostOf(lab, 1);
  const cause = /the user "bob" has no role that may read and write all keys that start with \/net\//;
  const denied = await problemWhen(lab, one, 'etcd-denied', cause);
  t.match(denied, { phase: 'acquiring', etcd: { connected: true } });
  t.match(denied?.problems, [
    { code: 'etcd-denied', seen: /^our lease: none yet: create \/net\/subnets\/.*permission denied/ },
    { code: 'certificate-expires', seen: /^our client certificate .*ours\.crt ends on .*, in 2\d h$/ },
  ]);
  await etcd.etcdctl(AS_ROOT, 'role', 'grant-permission', 'net', '--prefix=true', 'readwrite', '/net/');
  for (const host of lab.hosts) await host.waitForHealth(1);
});

/** Nothing that an operator sees holds a password, a key or a token; at log level trace. */
async function noSecretIn(t: Test, { lab, ours }: Secured): Promise<void> {
  const key = (await readFile(ours.keyFile, 'utf8')).split('\n').filter(line => !line.startsWith('-----'));
  for (const host of lab.hosts) {
    const status = await lab.commands.must([
      ...lab.selvedge,
      'status',
      '--all',
      '--socket',
      host.files.socket,
    ]);
    const said = [host.agent!.log(), JSON.stringify(await host.status()), status].join('\n');
    const commandLine = await readFile(`/proc/${host.agent!.pid}/cmdline`, 'utf8');
    for (const [where, text] of [
      ['what it says', said],
      ['its command line', commandLine],
    ] as const) {
      t.notMatch(text, /-secret/, `${host.name}: no password in ${where}`);
      t.notMatch(text, /PRIVATE KEY/, `${host.name}: no key in ${where}`);
      // etcd's simple tokens: 16 letters, a dot, a number.
      t.notMatch(text, /\b[A-Za-z]{16}\.\d+\b/, `${host.name}: no token in ${where}`);
      for (const line of key.filter(part => part !== '')) t.notOk(text.includes(line));
    }
  }
}
