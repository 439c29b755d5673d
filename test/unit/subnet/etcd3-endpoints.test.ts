import { pino } from 'pino';
import t from 'tap';
import { parseEndpoints } from '../../../src/subnet/etcd3-endpoints.js';
import { createEtcd3Store, type Etcd3StoreOptions } from '../../../src/subnet/etcd3-store.js';

const log = pino({ level: 'silent' });

t.test('endpoints', async t => {
  t.strictSame(parseEndpoints(['http://a:1', ' http://[::1]:2379/ '], true), [
    'http://a:1',
    'http://[::1]:2379',
  ]);
  t.strictSame(parseEndpoints(['a:1', 'https://b:2'], true), ['https://a:1', 'https://b:2']);
  t.strictSame(parseEndpoints(['a:1'], false), ['http://a:1']);
  for (const [texts, message] of [
    [[], /no endpoint/],
    [['http://a:1', 'https://b:2'], /mix http and https: http:\/\/a:1, https:\/\/b:2/],
    [['a:1', 'https://b:2'], /mix/],
    [['http://a'], /"http:\/\/a" is not of the form/],
    [['unix:///run/etcd'], /not of the form/],
    [['http://a:1/path'], /not of the form/],
    [['::1:2379'], /not of the form/],
  ] as const) {
    t.throws(() => parseEndpoints(texts, false), { name: 'StoreError', kind: 'invalid', message });
  }
  t.throws(() => parseEndpoints(['http://user:secret@a:1'], false), { message: /^((?!secret).)*$/ });
});

t.test('options that cannot work are refused at once', async t => {
  const refused = (
    options: Omit<Etcd3StoreOptions, 'log' | 'endpoints'>,
    expected: { kind: string; message: RegExp },
  ) =>
    t.throws(() => createEtcd3Store({ endpoints: ['https://a:1'], log, ...options }), {
      name: 'StoreError',
      ...expected,
    });
  refused({ username: 'bob' }, { kind: 'invalid', message: /only one of them/ });
  refused(
    { username: 'bob', password: 'x', passwordFile: '/p' },
    { kind: 'invalid', message: /only one can/ },
  );
  refused({ passwordFile: '/p' }, { kind: 'invalid', message: /user name and password go together/ });
  refused({ tls: { certFile: '/c' } }, { kind: 'invalid', message: /only one of them/ });
  refused(
    { tls: { caFile: '/nonexistent/ca' } },
    { kind: 'tls', message: /cannot read CA \/nonexistent\/ca: ENOENT/ },
  );
  refused(
    { tls: { caFile: '/etc/hostname' } },
    { kind: 'tls', message: /CA \/etc\/hostname: holds no PEM certificate/ },
  );
});

t.test('an unused store holds nothing open', async () => {
  createEtcd3Store({ endpoints: ['http://127.0.0.1:1'], log }).close();
});
