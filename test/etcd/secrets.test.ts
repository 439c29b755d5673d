/** Whatever goes wrong, no password, key or token is in a log line or an error, at the most talkative log level. */
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { Etcd3 } from 'etcd3';
import { pino } from 'pino';
import t from 'tap';
import { needsEtcd, startEtcd } from '../support/etcd.js';
import { AS_ROOT, enableAuth } from '../support/etcd-auth.js';
import { makeCertificates } from '../support/etcd-certificates.js';
import { makeStore, never } from '../support/etcd-store.js';
import { openWatch } from '../support/store-contract.js';

/** etcd's simple tokens: 16 letters, a dot, a number. */
const TOKEN = /\b[A-Za-z]{16}\.\d+\b/;

t.test('no secret is said', needsEtcd(), async t => {
  const certificates = makeCertificates();
  t.teardown(() => certificates.remove());
  const { caFile, server, client, issue } = certificates;
  const etcd = await startEtcd({
    tls: { ...server, clientCaFile: caFile },
    etcdctlArgs: [`--cacert=${caFile}`, `--cert=${client.certFile}`, `--key=${client.keyFile}`],
    args: ['--auth-token-ttl=1'],
  });
  t.teardown(() => etcd.destroy());
  await enableAuth(etcd);

  const known = new Etcd3({
    hosts: [etcd.url],
    credentials: {
      rootCertificate: readFileSync(caFile),
      certChain: readFileSync(client.certFile),
      privateKey: readFileSync(client.keyFile),
    },
  });
  t.teardown(() => known.close());
  const { token } = await known.auth.authenticate({ name: 'bob', password: 'bob-secret' });
  t.match(token, TOKEN, 'what is looked for looks like this');

  const said: string[] = [];
  const log = pino({ level: 'trace' }, { write: line => void said.push(line) });
  const note = (error: unknown): void => {
    said.push(inspect(error, { depth: null, showHidden: true }));
    log.error({ err: error, error }, 'as it is logged');
  };
  const open = (options: { password?: string; passwordFile?: string; certificate?: typeof client } = {}) => {
    const { certificate = client, ...given } = options;
    const password = given.passwordFile === undefined ? { password: 'bob-secret' } : {};
    return makeStore(t, {
      endpoints: [etcd.url],
      tls: { caFile, ...certificate },
      ...{ username: 'bob', ...password, ...given, keyPrefix: '/net/', log },
    });
  };
  const store = open();
  const snapshot = await store.list('/net/', never);
  const watch = openWatch(store, '/net/', snapshot);
  await watch.opened;
  const { id } = await store.grantLease(60);
  await store.keepAlive(id);
  // Each of these has a token with it, or a password.
  await store.list('/other/', never).catch(note);
  await store.createIfAbsent('/other/a', 'x', '0').catch(note);
  note(await openWatch(store, '/other/', snapshot).end);
  await open({ password: 'other-secret' }).read('/net/a').catch(note);
  const passwordFile = `${t.testdir({ password: 'file-secret' })}/password`;
  await open({ passwordFile }).read('/net/a').catch(note);
  const strange = issue('strange', { by: 'other' });
  await open({ certificate: strange }).read('/net/a').catch(note);
  for (const swapped of [
    { certFile: client.keyFile, keyFile: client.keyFile },
    { certFile: client.certFile, keyFile: strange.keyFile },
  ]) {
    try {
      open({ certificate: swapped });
      t.fail('these do not belong together');
    } catch (error) {
      note(error);
    }
  }
  await etcd.etcdctl(AS_ROOT, 'role', 'revoke-permission', 'net', '--prefix=true', '/net/');
  await store.read('/net/a').catch(note);
  await etcd.stop('SIGKILL');
  note(await watch.end);
  await store.read('/net/a').catch(note);
  note(store);

  t.ok(said.length > 16, `${said.length} pieces`);
  const keyLines = [client, strange].flatMap(({ keyFile }) =>
    readFileSync(keyFile, 'utf8')
      .split('\n')
      .filter(line => line.length > 30 && !line.startsWith('---')),
  );
  t.ok(keyLines.length >= 4);
  for (const text of said) {
    t.notMatch(text, /(?:bob|other|file)-secret/);
    t.notMatch(text, TOKEN);
    t.notOk(
      keyLines.some(line => text.includes(line)),
      text.slice(0, 100),
    );
  }
});
