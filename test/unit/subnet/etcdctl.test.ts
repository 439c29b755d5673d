import { execFileSync } from 'node:child_process';
import t from 'tap';
import { etcdctl, quote } from '../../../src/subnet/etcdctl.js';

t.test('with what this etcd asks for', async t => {
  t.equal(etcdctl({ endpoints: [] }), 'etcdctl');
  t.equal(
    etcdctl({
      endpoints: ['https://a:2379', 'https://b:2379'],
      ...{ caFile: '/etc/ca.pem', certFile: '/etc/c.pem', keyFile: '/etc/k.pem', username: 'bob' },
    }),
    'etcdctl --endpoints https://a:2379,https://b:2379 --cacert /etc/ca.pem --cert /etc/c.pem --key /etc/k.pem --user bob',
  );
  t.equal(etcdctl({ endpoints: [], caFile: '/my ca' }), "etcdctl --cacert '/my ca'");
});

t.test('a shell reads one word back', async t => {
  for (const word of [
    '/etc/ca.pem',
    'two words',
    "it's",
    '$HOME `id` \\ "x"',
    '',
    '~/x',
    '*',
    'a\nb',
    '-n;id',
  ]) {
    const printed = execFileSync('/bin/sh', ['-c', `printf %s. ${quote(word)}`], { encoding: 'utf8' });
    t.equal(printed, `${word}.`, JSON.stringify(word));
  }
});
