import t from 'tap';
import { parsePrefix } from '../../../src/address/prefix.js';
import { formatDockerEnv, formatDockerOpts } from '../../../src/daemon/docker-env.js';
import { formatSubnetEnv, parseSubnetEnv, type SubnetEnv } from '../../../src/daemon/subnet-env.js';

const prefix = (text: string) => parsePrefix(text)!;

function env(network: string, subnet: string, mtu: number, ipMasq: boolean): SubnetEnv {
  return { ipv4: { network: prefix(network), subnet: prefix(subnet) }, mtu, ipMasq };
}

const IPV4 = env('10.5.0.0/16', '10.5.72.0/24', 1450, false);
const DUAL: SubnetEnv = {
  ...IPV4,
  ipv6: { network: prefix('fd00:10::/48'), subnet: prefix('fd00:10:0:1::/64') },
};

t.test("subnet.env has flannel's order and form", async t => {
  t.equal(
    formatSubnetEnv(IPV4),
    'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n',
  );
  t.equal(
    formatSubnetEnv({ ...DUAL, ipMasq: true }),
    [
      'FLANNEL_NETWORK=10.5.0.0/16',
      'FLANNEL_SUBNET=10.5.72.1/24',
      'FLANNEL_IPV6_NETWORK=fd00:10::/48',
      'FLANNEL_IPV6_SUBNET=fd00:10:0:1::1/64',
      'FLANNEL_MTU=1450',
      'FLANNEL_IPMASQ=true',
      '',
    ].join('\n'),
  );
});

t.test('what we write we read', async t => {
  t.same(parseSubnetEnv(formatSubnetEnv(DUAL)), {
    network: DUAL.ipv4.network,
    subnet: DUAL.ipv4.subnet,
    ipv6Network: DUAL.ipv6!.network,
    ipv6Subnet: DUAL.ipv6!.subnet,
  });
});

t.test('subnet.env is read tolerantly', async t => {
  const table: readonly (readonly [text: string, subnet: string | undefined])[] = [
    ['FLANNEL_SUBNET=10.5.72.1/24', '10.5.72.0/24'],
    ['# made by hand\n\n export FLANNEL_SUBNET = "10.5.72.1/24" # ours\r\n', '10.5.72.0/24'],
    ["FLANNEL_SUBNET='10.5.72.1/24'", '10.5.72.0/24'],
    ['FLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_SUBNET=10.5.73.1/24', '10.5.73.0/24'],
    ['FLANNEL_SUBNET=nonsense,10.5.72.1/24,', '10.5.72.0/24'],
    ['FLANNEL_SUBNET=fd00::1/64,10.5.72.1/24', '10.5.72.0/24'],
    ['FLANNEL_SUBNET=10.5.72.1/24,10.5.73.1/24', undefined],
    ['FLANNEL_SUBNET=10.5.72.1', undefined],
    ['FLANNEL_SUBNET=10.5.72.1/33', undefined],
    ['FLANNEL_SUBNET=', undefined],
    ['#FLANNEL_SUBNET=10.5.72.1/24', undefined],
    ['MY_FLANNEL_SUBNET=10.5.72.1/24', undefined],
    ['\0\u{1f9f5}=', undefined],
    ['', undefined],
  ];
  for (const [text, subnet] of table) {
    t.same(
      parseSubnetEnv(text).subnet,
      subnet === undefined ? undefined : prefix(subnet),
      JSON.stringify(text),
    );
  }
});

t.test("Docker's files have the bytes of mk-docker-opts.sh", async t => {
  // Recorded from the script with FLANNEL_SUBNET=10.1.74.1/24, FLANNEL_MTU=1472, FLANNEL_IPMASQ=false.
  const recorded = env('10.1.0.0/16', '10.1.74.0/24', 1472, false);
  const lines =
    'DOCKER_OPT_BIP="--bip=10.1.74.1/24"\nDOCKER_OPT_IPMASQ="--ip-masq=true"\nDOCKER_OPT_MTU="--mtu=1472"\n';
  t.equal(formatDockerOpts(recorded), lines);
  t.equal(
    formatDockerEnv(recorded),
    `${lines}DOCKER_NETWORK_OPTIONS=" --bip=10.1.74.1/24 --ip-masq=true --mtu=1472"\n`,
  );
});

t.test('Docker masquerades exactly when we do not, and IPv6 is left out', async t => {
  t.match(formatDockerOpts({ ...DUAL, ipMasq: true }), 'DOCKER_OPT_IPMASQ="--ip-masq=false"\n');
  t.equal(formatDockerEnv(DUAL), formatDockerEnv(IPV4));
});
