import { inspect } from 'node:util';
import t from 'tap';
import {
  certificatesOf,
  nextEnd,
  readCredentials,
  type FileContents,
} from '../../../src/subnet/etcd3-credentials.js';
import { a, b, encryptedKey } from '../../support/pem.js';

const files = { caFile: '/ca', certFile: '/cert', keyFile: '/key', passwordFile: '/password' };
const read = (contents: Record<string, Buffer | string>) => {
  const asBuffers = Object.entries(contents).map(([name, content]) => [name, Buffer.from(content)]);
  return readCredentials(files, Object.fromEntries(asBuffers) as FileContents);
};

t.test('files that are whole and fit together', async t => {
  t.match(read({}), { ca: undefined, client: undefined, clientEndsAt: undefined, password: undefined });
  const chain = Buffer.concat([a.cert, b.cert]);
  const credentials = read({ caFile: chain, certFile: chain, keyFile: a.key });
  t.same(credentials.ca, chain);
  t.same(credentials.client, { cert: chain, key: a.key });
  t.equal(new Date(credentials.clientEndsAt!).toISOString().slice(0, 4), '2026', 'the first to end');
  t.equal(read({ certFile: a.cert, keyFile: a.key }).clientEndsAt, Date.parse('Oct 28 14:36:11 2126 GMT'));
});

t.test('when a file of certificates needs attention', async t => {
  const found = certificatesOf(
    files,
    read({ caFile: Buffer.concat([a.cert, b.cert]), certFile: a.cert, keyFile: a.key }),
  );
  t.match(found, [
    { role: 'client', file: '/cert', ends: { length: 1 } },
    { role: 'CA', file: '/ca', ends: { length: 2 } },
  ]);
  t.same(certificatesOf({}, read({})), []);
  const bundle = { role: 'CA', file: '/ca', ends: [300, 100, 200] } as const;
  for (const [now, end] of [
    [0, 100],
    [100, 200],
    [299, 300],
    [300, 300],
    [400, 300],
  ] as const) {
    t.equal(nextEnd(bundle, now), end, `at ${now}`);
  }
});

t.test('a password: all but one line break at its end', async t => {
  const passwordOf = (text: string) => read({ passwordFile: text }).password?.();
  t.equal(passwordOf('hunter2\n'), 'hunter2');
  t.equal(passwordOf('hunter2\r\n'), 'hunter2');
  t.equal(passwordOf(' hünter2 \n\n'), ' hünter2 \n');
  t.notMatch(inspect(read({ passwordFile: 'hunter2' }), { depth: null, showHidden: true }), /hunter2/);
  for (const nothing of ['', '\n', '\r\n']) {
    t.throws(() => read({ passwordFile: nothing }), {
      name: 'StoreError',
      kind: 'invalid',
      message: 'etcd: the password file /password is empty',
    });
  }
});

t.test('a file that is half written, or does not fit, is named', async t => {
  const half = (whole: Buffer) => whole.subarray(0, whole.length / 2);
  for (const [contents, message] of [
    [{ caFile: '' }, 'CA /ca: holds no PEM certificate'],
    [{ caFile: a.key }, 'CA /ca: holds no PEM certificate'],
    [{ caFile: Buffer.concat([a.cert, half(b.cert)]) }, 'CA /ca: is cut off within a certificate'],
    [
      { caFile: String(a.cert).replace('MI', 'IM') },
      /^etcd: CA \/ca: certificate 1 cannot be read: error:.*asn1/,
    ],
    [{ certFile: half(a.cert), keyFile: a.key }, 'client certificate /cert: is cut off within a certificate'],
    [{ certFile: a.cert, keyFile: half(a.key) }, 'client key /key: holds no whole PEM private key'],
    [{ certFile: a.cert, keyFile: encryptedKey }, 'client key /key: is encrypted'],
    [{ certFile: a.cert, keyFile: b.key }, 'client key /key: does not belong to the certificate in /cert'],
  ] as const) {
    const wanted = typeof message === 'string' ? `etcd: ${message}` : message;
    t.throws(() => read(contents), { name: 'StoreError', kind: 'tls', message: wanted });
  }
});
