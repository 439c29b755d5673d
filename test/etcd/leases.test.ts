/** `selvedge leases` at a real etcd: what it tells, what it changes, and what it leaves alone. */
import { execFile } from 'node:child_process';
import t, { type Test } from 'tap';
import { release, reserve, type Answer } from '../../src/cli/leases-change.js';
import type { LeasesDocument } from '../../src/cli/leases-document.js';
import { parsePrefix } from '../../src/address/prefix.js';
import { formatLeaseValue, type LeaseAttributes } from '../../src/subnet/lease.js';
import type { Store } from '../../src/subnet/store.js';
import { needsEtcd } from '../support/etcd.js';
import { never, startEtcdFixture, type EtcdFixture } from '../support/etcd-store.js';
import { SELVEDGE } from '../support/lab.js';
import { watchedStore, type StoreHooks } from '../support/lease-host.js';

const CONFIG = '{"Network":"10.5.0.0/16","SubnetMax":"10.5.40.0","Backend":{"Type":"host-gw"}}';
const DAY = 86_400;
const keyOf = (subnet: number) => `/net/subnets/10.5.${subnet}.0-24`;
const subnetOf = (number: number) => parsePrefix(`10.5.${number}.0/24`)!;
const ipOf = (host: number) => `192.0.2.${host}`;

function valueOf(host: number, more: Partial<LeaseAttributes> = {}): string {
  return formatLeaseValue({ publicIp: ipOf(host), backendType: 'host-gw', ...more });
}

const holder = (host: number) => ({
  nodeId: host.toString(16).padStart(32, '0'),
  name: `node${host}`,
  since: '2026-01-31T08:15:00Z',
});

interface Network extends EtcdFixture {
  readonly url: string;
  /** Puts a lease under an etcd lease of its own. @returns the id of that */
  readonly lease: (subnet: number, value: string, ttlSeconds?: number) => Promise<string>;
  readonly read: (subnet: number) => ReturnType<Store['read']>;
}

async function startNetwork(t: Test, config: string | undefined = CONFIG): Promise<Network> {
  const fixture = await startEtcdFixture(t);
  const { direct, store, etcd } = fixture;
  if (config !== '') await direct.put('/net/config').value(config);
  return {
    ...fixture,
    url: etcd.url,
    lease: async (subnet, value, ttlSeconds = DAY) => {
      const { id } = await store.grantLease(ttlSeconds);
      await store.createIfAbsent(keyOf(subnet), value, id);
      return id;
    },
    read: subnet => store.read(keyOf(subnet)),
  };
}

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command as operators do, its options from the environment. */
function selvedge(url: string, ...words: string[]): Promise<Ended> {
  const [node, ...args] = [...SELVEDGE, 'leases', ...words];
  const env = { PATH: process.env.PATH, FLANNELD_ETCD_ENDPOINTS: url, SELVEDGE_ETCD_PREFIX: '/net' };
  return new Promise(resolve => {
    const child = execFile(node!, args, { env, maxBuffer: 1 << 26 }, (_, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

async function listed(url: string): Promise<LeasesDocument> {
  const { code, out } = await selvedge(url, '-o', 'json');
  if (code !== 0) throw new Error(`exit code ${code}: ${out}`);
  return JSON.parse(out) as LeasesDocument;
}

t.test('the list', needsEtcd(), async t => {
  const { url, direct, lease } = await startNetwork(t);
  const id = await lease(10, valueOf(10, { holder: holder(10) }));
  await lease(9, valueOf(9), 3600);
  await direct.put(keyOf(2)).value(valueOf(2));
  await direct.put(keyOf(3)).value(valueOf(3, { backendType: '' }));
  await lease(4, valueOf(4, { backendType: 'vxlan' }));
  await direct.put('/net/subnets/10.5.5.0-24').value('{\u001b[31m');
  await direct.put('/net/subnets-of-others').value('x');

  const { code, out } = await selvedge(url);
  t.equal(code, 0);
  const lines = out.split('\n');
  t.equal(lines[0], '2 leased, 2 reserved (1 unused), 2 set aside · 34 of 40 subnets free (85 %)');
  const facts = lines.slice(2).map(line => line.replaceAll(/ {2,}/g, ' | '));
  t.same(facts[0], 'SUBNET | HOST | PUBLIC IP | BACKEND | SINCE | REFRESHED | LEFT | STATE');
  t.match(facts[1], /^10\.5\.2\.0\/24 \| - \| 192\.0\.2\.2 \| host-gw \| - \| - \| - \| reserved$/);
  t.match(facts[2], /^10\.5\.3\.0\/24 \| - \| 192\.0\.2\.3 \| - \| - \| - \| - \| reserved, unused$/);
  t.match(facts[3], /set aside: other-backend: backend is "vxlan", ours is host-gw$/);
  t.match(
    facts[4],
    /^10\.5\.5\.0\/24 \| - \| - \| - \| - \| - \| - \| set aside: bad-value: value is not JSON$/,
  );
  t.match(facts[5], /^10\.5\.9\.0\/24 \| - \| 192\.0\.2\.9 \| host-gw \| - \| \d+ s ago \| \d+ min \| ok$/);
  t.match(
    facts[6],
    /^10\.5\.10\.0\/24 \| node10 \| 192\.0\.2\.10 \| host-gw \| .* ago \| \d+ s ago \| 2\d h \| ok$/,
  );

  const document = await listed(url);
  t.match(document, {
    version: 1,
    config: { state: 'usable', key: '/net/config' },
    range: { network: '10.5.0.0/16', first: '10.5.1.0', last: '10.5.40.0', total: 40, free: 34 },
    counts: { ok: 2, reserved: 1, 'reserved-unused': 1, 'set-aside': 2 },
  });
  t.match(document.leases.at(-1), {
    ...{ subnet: '10.5.10.0/24', key: keyOf(10), host: 'node10', nodeId: holder(10).nodeId },
    ...{ since: holder(10).since, publicIp: ipOf(10), etcdLease: BigInt(id).toString(16) },
    ...{ grantedSeconds: DAY, state: 'ok', code: null },
  });
});

t.test('without a config that can be used', needsEtcd(), async t => {
  const { url, direct, lease } = await startNetwork(t, '');
  await lease(9, valueOf(9));
  const missing = await selvedge(url);
  t.equal(missing.code, 2);
  t.match(missing.out, /^1 leases or reservations · there is no config at \/net\/config: nothing is judged/);
  t.match(missing.out, /10\.5\.9\.0\/24 .* not judged\n$/);
  t.match(await selvedge(url, 'reserve', '10.5.7.0/24', '--public-ip', ipOf(7)), {
    ...{ code: 2, out: '' },
    err: /^selvedge leases reserve: there is no config at \/net\/config/,
  });
  await direct.put('/net/config').value('{"Network":"x"}');
  t.match(await selvedge(url), { code: 2, out: /cannot be used.*\n {2}Network: "x" must be/ });
});

t.test('etcd out of reach, and options that are wrong', needsEtcd(), async t => {
  t.match(await selvedge('http://127.0.0.1:1'), { code: 2, out: '', err: /^selvedge leases: list \/net\// });
  t.match(await selvedge('nonsense', 'release', '10.5.7.0/24'), {
    ...{ code: 2, out: '' },
    err: /^selvedge leases release: FLANNELD_ETCD_ENDPOINTS: "nonsense" must be comma separated URLs/,
  });
});

t.test('reserve and release, as operators type it', needsEtcd(), async t => {
  const { url, read } = await startNetwork(t);
  const typed = ['reserve', '10.5.7.0/24', '--public-ip', ipOf(7), '--etcd-endpoints', url];
  t.same(await selvedge('http://127.0.0.1:1', ...typed), {
    ...{ code: 0, err: '' },
    out: '10.5.7.0/24 is reserved for 192.0.2.7, which gets it when its agent starts\n',
  });
  t.match(await read(7), { value: '{"PublicIP":"192.0.2.7","PublicIPv6":null}', leaseId: '0' });
  t.match(await selvedge(url, ...typed), { code: 1, err: /already: nothing to do/ });
  t.same(await selvedge(url, 'release', '10.5.7.0/24'), {
    ...{ code: 0, err: '' },
    out: '10.5.7.0/24, reserved for 192.0.2.7, is released: any host may take it\n',
  });
  t.equal(await read(7), undefined);
  t.match(await selvedge(url, 'release', '10.5.7.0/24'), { code: 1, err: /neither leased nor reserved/ });
});

t.test('a lease becomes a reservation and a lease again, and its value stays', needsEtcd(), async t => {
  const { store, lease, read } = await startNetwork(t);
  const value = valueOf(7, { holder: holder(7) });
  const before = await lease(7, value);
  const wanted = { subnet: subnetOf(7), publicIp: ipOf(7) };
  t.same(await reserve(store, '/net', wanted), {
    ...{ code: 0, line: '10.5.7.0/24 of 192.0.2.7 (node7) is a reservation now: it never expires' },
  });
  t.match(await read(7), { value, leaseId: '0' });
  t.ok(await store.readLease(before), 'whoever renews it for a moment longer is not told that it is lost');
  t.match(await release(store, '/net', subnetOf(7), false), {
    code: 0,
    line: /an ordinary lease again: it ends in 24 h/,
  });
  const after = await read(7);
  t.equal(after?.value, value);
  t.match(await store.readLease(after!.leaseId), { grantedSeconds: DAY });
});

t.test('a lease is released only when its host is gone', needsEtcd(), async t => {
  const { store, lease, read } = await startNetwork(t);
  const later = aged(store, 121);
  await lease(7, valueOf(7, { holder: holder(7) }));
  t.match(await release(store, '/net', subnetOf(7), false), {
    code: 1,
    line: /10\.5\.7\.0\/24 is held by 192\.0\.2\.7 \(node7\), which renewed it \d+ s ago: stop its agent/,
  });
  t.ok(await read(7));
  t.match(await release(later, '/net', subnetOf(7), false), {
    code: 0,
    line: /leased by 192\.0\.2\.7 \(node7\), is released/,
  });
  t.equal(await read(7), undefined);

  await lease(8, valueOf(8));
  t.match(await release(later, '/net', subnetOf(8), false), { code: 1, line: /may be a flanneld's/ });
  t.ok(await read(8));
  t.match(await release(store, '/net', subnetOf(8), true), { code: 0 });
  t.equal(await read(8), undefined);
});

/** The store, whose etcd leases were all refreshed so long ago. */
function aged(store: Store, seconds: number): Store {
  return new Proxy(store, {
    get: (target, name: keyof Store) => {
      if (name !== 'readLease') return (target[name] as () => unknown).bind(target);
      return async (id: string) => {
        const found = await target.readLease(id);
        return found && { ...found, ttlSeconds: found.grantedSeconds - seconds };
      };
    },
  });
}

t.test('what changes between the look and the write is left as it is', needsEtcd(), async t => {
  const { store, direct, lease } = await startNetwork(t);
  const hooks: StoreHooks = {};
  const racing = watchedStore(store, hooks).store;
  const before = (method: string, change: () => Promise<unknown>) => {
    hooks.before = async called => {
      if (called !== method) return;
      hooks.before = undefined;
      await change();
    };
  };
  const all = () => store.list('/net/subnets/', never).then(({ entries }) => entries);
  const changes = async (run: () => Promise<Answer>, method: string, change: () => Promise<unknown>) => {
    before(method, change);
    const answer = await run();
    t.match(answer, { code: 1, line: /was changed by somebody else at this very moment: nothing was done/ });
  };
  const wanted = { subnet: subnetOf(7), publicIp: ipOf(7) };
  const put = (value: string) => () => direct.put(keyOf(7)).value(value).exec();

  await changes(() => reserve(racing, '/net', wanted), 'createIfAbsent', put(valueOf(9)));
  t.match(await all(), [{ value: valueOf(9), leaseId: '0' }], 'taken meanwhile');
  await direct.delete().key(keyOf(7));

  await lease(7, valueOf(7));
  await changes(() => reserve(racing, '/net', wanted), 'replaceIfUnchanged', put(valueOf(9)));
  t.match(await all(), [{ value: valueOf(9) }], 'changed while it was to become a reservation');

  await put(valueOf(7))();
  await changes(() => release(racing, '/net', subnetOf(7), false), 'replaceIfUnchanged', put(valueOf(9)));
  t.match(await all(), [{ value: valueOf(9), leaseId: '0' }], 'changed while it was to become a lease');
  const { leases } = await direct.leaseClient.leaseLeases();
  t.equal(leases.length, 1, 'and the etcd lease for it was given back');

  await put(valueOf(7, { backendType: '' }))();
  await changes(() => release(racing, '/net', subnetOf(7), false), 'deleteIfUnchanged', put(valueOf(7)));
  t.match(await all(), [{ value: valueOf(7) }], 'its host came for it while it was to be deleted');
});

t.test('a thousand leases', needsEtcd(), async t => {
  const config = '{"Network":"10.0.0.0/8","SubnetLen":24,"Backend":{"Type":"host-gw"}}';
  const { url, store } = await startNetwork(t, config);
  const names = Array.from({ length: 1_000 }, (_, i) => `10.${5 + (i >> 8)}.${i & 255}.0`);
  for (let i = 0; i < names.length; i += 100) {
    await Promise.all(
      names.slice(i, i + 100).map(async (name, j) => {
        const { id } = await store.grantLease(DAY);
        const publicIp = `192.168.${(i + j) >> 8}.${(i + j) & 255 || 1}`;
        await store.createIfAbsent(
          `/net/subnets/${name}-24`,
          formatLeaseValue({ publicIp, backendType: 'host-gw' }),
          id,
        );
      }),
    );
  }
  const begun = performance.now();
  const { leases } = await listed(url);
  t.comment(`listed in ${Math.round(performance.now() - begun)} ms, with the start of the process`);
  t.same(
    leases.map(({ subnet, secondsLeft }) => [subnet, (secondsLeft ?? 0) > 0]),
    names.map(name => [`${name}/24`, true]),
    'sorted as numbers, each with its time',
  );
});
