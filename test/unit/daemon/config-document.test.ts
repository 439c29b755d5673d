import fc from 'fast-check';
import t from 'tap';
import { readConfigDocument } from '../../../src/daemon/config-document.js';

const network = { Network: '10.5.0.0/16' };

function faultsOf(document: unknown): readonly string[] {
  const read = readConfigDocument(JSON.stringify(document));
  return read.ok ? [] : read.faults;
}

t.test('a document that can be run', async t => {
  const text = '{"Network":"10.5.0.0/16","Extra":1,"Backend":{"Type":"vxlan","VNI":7,"Colour":"red"}}';
  const read = readConfigDocument(text);
  if (!read.ok) throw new Error(read.faults.join('; '));
  const { backend, range, notes } = read.config;
  t.equal(read.config.text, text);
  t.equal(backend.device, 'flannel.7');
  t.equal(range.subnetMin, '10.5.1.0');
  t.strictSame(notes, ['unknown field Extra is ignored', 'unknown field Backend.Colour is ignored']);
});

t.test('backends that there are, that flannel has, and that nobody has', async t => {
  for (const Type of ['vxlan', 'VXLAN', 'host-gw', 'Host-GW']) {
    t.strictSame(faultsOf({ ...network, Backend: { Type } }), [], Type);
  }
  for (const Type of ['udp', 'wireguard', 'ipip', 'ipsec', 'alloc', 'extension', 'tencent-vpc', 'UDP']) {
    t.strictSame(faultsOf({ ...network, Backend: { Type } }), [
      `Backend.Type: "${Type.toLowerCase()}" is known to flannel, but not supported by selvedge yet (supported: vxlan, host-gw)`,
    ]);
  }
  for (const Type of ['', 'gre', 'constructor', '__proto__']) {
    t.strictSame(faultsOf({ ...network, Backend: { Type } }), [
      `Backend.Type: "${Type}" is not a backend (supported: vxlan, host-gw)`,
    ]);
  }
});

t.test("a backend's own settings", async t => {
  const cases: readonly (readonly [settings: object, ...faults: string[]])[] = [
    [{ VNI: -1 }, 'Backend.VNI: -1 must be a whole number between 0 and 9999999'],
    [{ VNI: 10_000_000 }, 'Backend.VNI: 10000000 must be a whole number between 0 and 9999999'],
    [{ VNI: '1' }, 'Backend.VNI: "1" must be a whole number between 0 and 9999999'],
    [{ Port: 65536 }, 'Backend.Port: 65536 must be a whole number between 0 and 65535'],
    [{ MTU: 575 }, 'Backend.MTU: 575 must be a whole number between 576 and 65535'],
    [{ MTU: 0 }, 'Backend.MTU: 0 must be a whole number between 576 and 65535'],
    [{ GBP: 'yes' }, 'Backend.GBP: "yes" must be true or false'],
    [{ learning: 1 }, 'Backend.Learning: 1 must be true or false'],
    [{ DirectRouting: [] }, 'Backend.DirectRouting: an array must be true or false'],
    [{ VNI: 0, Port: 0, MTU: 576 }],
    [{ VNI: 9_999_999, Port: 65535, MTU: 65535, GBP: true, Learning: true, DirectRouting: true }],
  ];
  for (const [settings, ...faults] of cases) {
    const Backend = { Type: 'vxlan', ...settings };
    t.strictSame(faultsOf({ ...network, Backend }), faults, JSON.stringify(settings));
  }
});

t.test('faults of network and backend come in one answer', async t => {
  const document = {
    Network: '10.5.0.0/30',
    EnableIPv6: 1,
    Backend: { Type: 'vxlan', VNI: -1, Port: 70_000, MTU: 9, GBP: 0 },
  };
  t.strictSame(
    faultsOf(document).map(line => line.split(':', 1)[0]),
    ['EnableIPv6', 'Network', 'Backend.VNI', 'Backend.Port', 'Backend.MTU', 'Backend.GBP'],
  );
  t.equal(faultsOf({ Backend: { Type: 'gre' } }).length, 2);
});

t.test('IPv6 is refused by name as long as there is no data plane for it', async t => {
  const rule = 'is not supported by selvedge yet: there is no data plane for IPv6';
  const dual = { ...network, EnableIPv6: true, IPv6Network: 'fd00::/48' };
  t.strictSame(faultsOf(dual), [`EnableIPv6: true ${rule}`]);
  t.strictSame(faultsOf({ ...dual, EnableIPv4: false }), [`EnableIPv6: true ${rule}`]);
});

t.test('keys that are names of Object.prototype change nothing and are noted', async t => {
  const text =
    '{"Network":"10.5.0.0/16","__proto__":{"SubnetLen":1},"Backend":{"Type":"vxlan","__proto__":{"VNI":9}}}';
  const read = readConfigDocument(text);
  t.match(read, { ok: true, config: { backend: { device: 'flannel.1' }, range: { subnetLength: 24 } } });
  t.match(read, {
    config: { notes: ['unknown field __proto__ is ignored', 'unknown field Backend.__proto__ is ignored'] },
  });
  t.equal(({} as Record<string, unknown>).VNI, undefined);
});

t.test('any text is read without an exception, with a reason when it is refused', async t => {
  const settings = fc.dictionary(fc.constantFrom('Type', 'VNI', 'Port', 'MTU', '__proto__'), fc.jsonValue());
  const document = fc.record({
    Network: fc.constantFrom('10.5.0.0/16', 'x'),
    Backend: fc.oneof(
      settings,
      settings.map(rest => ({ ...rest, Type: 'vxlan' })),
      fc.jsonValue(),
    ),
  });
  fc.assert(
    fc.property(
      fc.oneof(
        document.map(each => JSON.stringify(each)),
        fc.json(),
      ),
      text => {
        const read = readConfigDocument(text);
        t.equal(read.ok || read.faults.length > 0, true);
      },
    ),
    { numRuns: 500 },
  );
});
