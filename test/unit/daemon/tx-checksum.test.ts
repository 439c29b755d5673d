/** Which kernels may compute checksums late. */
import t from 'tap';
import { chooseTxChecksum } from '../../../src/daemon/tx-checksum.js';

const auto = (release: string, signature?: string) => chooseTxChecksum('auto', { release, signature });

t.test('the operator has the last word', async t => {
  t.same(chooseTxChecksum('on', { release: '5.4.1' }), { value: 'on', reason: '--vxlan-tx-checksum=on' });
  t.same(chooseTxChecksum('off', { release: '6.18.0' }), {
    value: 'off',
    reason: '--vxlan-tx-checksum=off',
  });
});

t.test('by version', async t => {
  const faulty = [
    '4.9.300',
    '4.14.180',
    '4.19.122',
    '5.3.18-150300.59.93-default',
    '5.4.40',
    '5.4',
    '5.5.19',
  ];
  for (const release of [...faulty, '5.6.12-arch1-1']) t.equal(auto(release).value, 'off', release);
  const sound = [
    '4.14.181',
    '4.19.123',
    '5.4.41',
    '5.4.209-116.367.amzn2.x86_64',
    '5.6.13',
    '5.7.0',
    '5.10.0-28',
  ];
  for (const release of [...sound, '6.1', '6.18.44-fc-v595'])
    t.equal(auto(release).value, undefined, release);
});

t.test('Ubuntu tells its version elsewhere', async t => {
  t.equal(auto('5.4.0-42-generic').value, 'off');
  t.same(auto('5.4.0-42-generic', 'Ubuntu 5.4.0-42.46-generic 5.4.44\n'), {
    value: undefined,
    reason: 'auto: kernel 5.4.44 is sound',
  });
  t.equal(auto('5.4.0-29-generic', 'Ubuntu 5.4.0-29.33-generic 5.4.30').value, 'off');
});

t.test('what cannot be read is left alone', async t => {
  t.same(auto('next'), { value: undefined, reason: 'auto: kernel version next cannot be read' });
});
