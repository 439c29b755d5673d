import t from 'tap';
import { configDifferences, sameDocument } from '../../../src/daemon/config-differences.js';

t.test('the same document in another layout', async t => {
  t.ok(sameDocument('{"a":1,"b":{"c":[1,2],"d":null}}', '{ "b": {"d":null,\n"c":[1,2]}, "a":1 }'));
  t.ok(sameDocument('not JSON', 'not JSON'));
  for (const other of [
    '{"a":2}',
    '{"a":"1"}',
    '{"A":1}',
    '{"a":1,"b":1}',
    '[1]',
    'not JSON',
    '{"a":1,"__proto__":1}',
  ]) {
    t.notOk(sameDocument('{"a":1}', other), other);
  }
  t.notOk(sameDocument('[1,2]', '[2,1]'));
  const deep = (text: string) => `{"Deep":${'['.repeat(50_000)}${text}${']'.repeat(50_000)}}`;
  t.notOk(sameDocument(deep('1'), deep('2')), 'too deep to compare');
});

t.test('what differs is told by field, ours and theirs', async t => {
  const running = { Network: '10.5.0.0/16', Backend: { Type: 'vxlan', VNI: 1 } };
  const cases: readonly (readonly [unknown, readonly string[]])[] = [
    [running, []],
    [{ ...running, Network: '10.6.0.0/16' }, ['Network: "10.5.0.0/16" here, "10.6.0.0/16" in etcd']],
    [
      { SubnetLen: 26, Network: '10.5.0.0/16', Backend: { VNI: 2, Type: 'vxlan', GBP: true } },
      [
        'Backend.VNI: 1 here, 2 in etcd',
        'SubnetLen: not given here, 26 in etcd',
        'Backend.GBP: not given here, true in etcd',
      ],
    ],
    [
      { Network: '10.5.0.0/16' },
      ['Backend.Type: "vxlan" here, not given in etcd', 'Backend.VNI: 1 here, not given in etcd'],
    ],
  ];
  for (const [stored, lines] of cases)
    t.same(configDifferences(JSON.stringify(running), JSON.stringify(stored)), lines);
});

t.test('what is not shown differs all the same', async t => {
  const config = (value: unknown) => JSON.stringify({ Backend: { PSK: value, Deep: [value] } });
  const lines = configDifferences(config('secret-one'), config('secret-two'));
  t.same(lines, ['Backend.PSK: another in etcd', 'Backend.Deep: another in etcd']);
});
