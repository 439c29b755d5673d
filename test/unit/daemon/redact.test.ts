/** Secrets in whatever form they are planted, and what is none. */
import fc from 'fast-check';
import t from 'tap';
import { isSecretName, redact, REDACTED } from '../../../src/daemon/redact.js';

/** No word of what surrounds it. */
const SECRET = 'Zq7.Xk9+Wv3=';

t.test('what names itself a secret goes, in every form', async t => {
  const table = [
    `SELVEDGE_ETCD_PASSWORD=${SECRET}`,
    `export MY_TOKEN='${SECRET}'`,
    `selvedge agent --etcd-password=${SECRET} --iface eth0`,
    `selvedge agent --etcd-password ${SECRET} --iface eth0`,
    `selvedge agent -etcd-password "${SECRET}" --iface eth0`,
    `{"Network":"10.5.0.0/16","Backend":{"Type":"ipsec","PSK":"${SECRET}"}}`,
    `{"Backend":{"secret_key" : "a \\" quoted ${SECRET}"}}`,
    JSON.stringify({ line: JSON.stringify({ PSK: `a ${SECRET}`, more: 1 }) }),
    `{'apiKey': '${SECRET}'}`,
    `password: ${SECRET}`,
    `token=a,b;c}${SECRET}`,
    `[Service]\nEnvironment=A=1 "B=${SECRET}" \\\n  C=${SECRET}\nExecStart=x`,
    `Authorization: Bearer ${SECRET}`,
    `sent Basic ${Buffer.from(SECRET).toString('base64')} to it`,
    `etcdctl --endpoints http://root:${SECRET}@10.0.0.1:2379 get /`,
    `http://root:${SECRET}@10.0.0.1:2379,http://root:${SECRET}@10.0.0.2:2379`,
    `http://root:${SECRET}/${SECRET}@10.0.0.1:2379`,
    `-----BEGIN EC PRIVATE KEY-----\n${SECRET}\n${SECRET}\n-----END EC PRIVATE KEY-----`,
    `-----BEGIN PRIVATE KEY-----\n${SECRET}\ncut off`,
  ];
  for (const text of table) {
    const clean = redact(text);
    t.notMatch(clean, SECRET, text);
    t.notMatch(clean, 'Zq7', text);
    t.notMatch(clean, Buffer.from(SECRET).toString('base64'), text);
    t.match(clean, REDACTED, text);
  }
});

t.test('the rest stays as it is', async t => {
  const table = [
    '10.5.2.0/24 via 10.5.2.0 dev flannel.1 proto 83 onlink',
    'SELVEDGE_ETCD_PASSWORD_FILE=/etc/selvedge/password',
    'selvedge agent --etcd-password-file /etc/selvedge/password --iface eth0',
    '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":1}}',
    'etcd refuses the user or the password (invalid authentication)',
    'http://10.0.0.1:2379,http://10.0.0.2:2379',
    '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
  ];
  for (const text of table) t.equal(redact(text), text);
  t.equal(
    redact('--etcd-password=x --iface eth0 http://u:p@10.0.0.1:2379'),
    `--etcd-password=${REDACTED} --iface eth0 http://${REDACTED}@10.0.0.1:2379`,
  );
  const json = JSON.parse(redact(`{"PSK":"a\\"b","VNI":1}`)) as unknown;
  t.strictSame(json, { PSK: REDACTED, VNI: 1 }, 'JSON stays JSON');
});

t.test('a secret that is known goes wherever it stands', async t => {
  const printable = fc.string({ minLength: 4, maxLength: 30 }).filter(text => !REDACTED.includes(text));
  fc.assert(
    fc.property(printable, fc.string(), fc.string(), (secret, before, after) => {
      const forms = [secret, JSON.stringify(secret), encodeURIComponent(secret)];
      const base64 = Buffer.from(secret).toString('base64');
      for (const form of [...forms, base64])
        t.notOk(redact(`${before} ${form} ${after}`, [secret]).includes(form));
    }),
  );
  t.equal(redact('user abc', ['abc', '']), 'user abc', 'not what is as short as a word');
  t.equal(redact('longsecret', ['long', 'longsecret']), REDACTED);
});

t.test('no text takes long', async t => {
  const parts = [
    'x',
    'a.',
    'token',
    'a://',
    '-----BEGIN PRIVATE KEY-----',
    'token=\\"',
    'token="',
    '--a "',
    'token ',
    '"',
    ' ',
  ];
  for (const part of parts) t.type(redact(part.repeat(200_000)), 'string', part);
});

t.test('names', async t => {
  for (const name of ['ETCD_PASSWORD', 'db-passwd', 'AUTH_TOKEN', 'PSK', 'apiKey'])
    t.ok(isSecretName(name), name);
  for (const name of ['--etcd-password-file', 'TOKEN_PATH', 'iface', 'etcd-keyfile'])
    t.notOk(isSecretName(name), name);
});
