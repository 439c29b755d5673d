/** The filter's bytes in both byte orders; that the kernel does what they say: test/netns/netlink-notifications. */
import t from 'tap';
import { programWithoutPort } from '../../../../src/dataplane/netlink/port-filter.js';

t.test('the program of a port', async t => {
  const bytes = (isLittle: boolean) => Buffer.from(programWithoutPort(0x1234_5678, isLittle)).toString('hex');
  const little = ['200000000c000000', '1500000112345678', '0600000000000000', '06000000ffffffff'];
  const big = ['002000000000000c', '0015000112345678', '0006000000000000', '00060000ffffffff'];
  t.equal(bytes(true), little.join(''));
  t.equal(bytes(false), big.join(''));
});
