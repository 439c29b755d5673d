/**
 * What `selvedge status` prints, byte for byte, against files in `golden/`: into a pipe, on a terminal, and wide. In the files
 * of a terminal `␛` stands for ESC.
 */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { colourPaint, noPaint } from '../../../src/cli/paint.js';
import { renderStatus } from '../../../src/cli/status-text.js';
import type { PathProbe, PeerProbe, StatusDocument } from '../../../src/daemon/status.js';
import { healthyStatus, peer } from '../daemon/example-status.js';

const now = new Date('2026-01-01T01:00:00Z');

const answers: PathProbe = {
  word: 'answers',
  rttMs: 0.421,
  lossPercent: 0,
  answeredAt: '2026-01-01T00:59:55Z',
};
const silent: PathProbe = {
  word: 'silent',
  rttMs: 0.4,
  lossPercent: 100,
  answeredAt: '2026-01-01T00:10:00Z',
};

const whole: PeerProbe = {
  ...{ state: 'reachable', since: '2026-01-01T00:00:03Z', underlay: answers, overlay: answers },
  pathMtu: { finding: 'fits', wanted: 1500, size: 1500, testedAt: '2026-01-01T00:58:00Z' },
};

/** Of every condition of a peer one, and a problem and a warning. */
const degraded: StatusDocument = {
  ...healthyStatus,
  verdict: 'degraded',
  problems: [
    { code: 'kernel-refused', severity: 'error', seen: 'a route', cause: 'somebody', next: 'ip route' },
    {
      code: 'peer-unreachable',
      severity: 'warning',
      seen: '1 peer',
      cause: 'it is off',
      next: 'ping 192.0.2.4',
    },
  ],
  peers: [
    peer(2, { overlayAddress: '10.5.2.0', probe: whole }),
    peer(3, { state: 'failing', error: 'route 10.5.3.0/24: ENETUNREACH' }),
    peer(4, { probe: { ...whole, state: 'unreachable', underlay: silent, overlay: silent } }),
    peer(5, { probe: { ...whole, state: 'overlay-blocked', overlay: silent } }),
    peer(6, { probe: { ...whole, pathMtu: { ...whole.pathMtu!, finding: 'fragmented', size: 1400 } } }),
    peer(7, { probe: { ...whole, pathMtu: { ...whole.pathMtu!, finding: 'black-hole', size: 1400 } } }),
    peer(8, { state: 'pending', node: null }),
  ],
  probes: {
    ...{ rate: 20, off: null, roundSeconds: 10 },
    peers: { reachable: 3, unreachable: 1, 'overlay-blocked': 1, unknown: 0 },
    sent: { underlay: 400, overlay: 400, mtu: 8 },
    lost: { underlay: 100, overlay: 101 },
  },
  setAside: [{ key: '/net/subnets/x', code: 'bad-key', reason: 'key is not of the form ADDRESS-LENGTH' }],
};

const starting: StatusDocument = {
  ...healthyStatus,
  ...{ verdict: 'starting', phase: 'waiting-for-etcd', awaiting: 'etcd to answer' },
  ...{ underlay: null, lease: null, subnets: null, peers: [], dataPlane: null, firewall: null, files: [] },
};

const FORMS = {
  pipe: { wide: false, paint: noPaint },
  terminal: { wide: false, paint: colourPaint },
  wide: { wide: true, paint: noPaint },
} as const;

for (const [name, document] of Object.entries({ healthy: healthyStatus, degraded, starting })) {
  for (const [form, options] of Object.entries(FORMS)) {
    t.test(`${name}, ${form}`, async t => {
      const file = new URL(`../../../../test/unit/cli/golden/${name}.${form}.txt`, import.meta.url);
      const text = renderStatus(document, { now, all: false, ...options }).replaceAll('\u001b', '␛');
      t.equal(text, readFileSync(file, 'utf8'));
    });
  }
}

t.test('a terminal gets the text of a pipe, and colours', async t => {
  const plain = renderStatus(degraded, { now, all: false, ...FORMS.pipe });
  const coloured = renderStatus(degraded, { now, all: false, ...FORMS.terminal });
  t.not(coloured, plain);
  t.equal(coloured.replaceAll('\u001b', '␛').replace(/␛\[[0-9;]*m/g, ''), plain);
});

t.test('a hundred thousand peers', async t => {
  const peers = Array.from({ length: 100_000 }, (_, i) => peer(i));
  const text = renderStatus({ ...healthyStatus, peers }, { now, all: true, ...FORMS.pipe });
  t.equal(text.split('\n').filter(line => line.startsWith('node')).length, 100_000);
});
