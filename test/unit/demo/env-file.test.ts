import t from 'tap';
import { parseSubnetEnv } from '../../../src/demo/env-file.js';

t.test('parseSubnetEnv', async t => {
  const text =
    'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.34.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n';
  t.same(parseSubnetEnv(text), { gateway: { family: 4, address: '10.5.34.1', length: 24 }, mtu: 1450 });
  t.throws(() => parseSubnetEnv('FLANNEL_MTU=1450\n'), /no line FLANNEL_SUBNET=/);
  t.throws(() => parseSubnetEnv('FLANNEL_SUBNET=10.5.34.1\nFLANNEL_MTU=1450\n'), /FLANNEL_SUBNET is not/);
  t.throws(() => parseSubnetEnv('FLANNEL_SUBNET=10.5.34.1/24\nFLANNEL_MTU=big\n'), /FLANNEL_MTU is not/);
});
