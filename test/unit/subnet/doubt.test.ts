/** When deletions are not believed, and what becomes of peers whose key is gone meanwhile. */
import t from 'tap';
import { parsePrefix } from '../../../src/address/prefix.js';
import { Doubt, type Circumstances, type FormerRun, type JudgedBatch } from '../../../src/subnet/doubt.js';
import { PeerTable } from '../../../src/subnet/peers.js';
import type { KeyChange } from '../../../src/subnet/store.js';

const PREFIX = '/net/subnets/';
const keys = (count: number) => Array.from({ length: count }, (_, n) => `${PREFIX}10.5.${n + 1}.0-24`);
const deletion = (key: string): KeyChange => ({ kind: 'delete', key, modRevision: 9n });
const batch = (deleted: readonly string[], more: Partial<JudgedBatch> = {}): JudgedBatch => ({
  cause: 'watch',
  history: 'same',
  changes: deleted.map(deletion),
  ...more,
});
const OWN = `${PREFIX}10.5.99.0-24`;
/** Peers with these keys. @param leaseId of each; `0` for reservations that their hosts use */
const leased = (of: Iterable<string>, leaseId = '1') => new Map(Array.from(of, key => [key, { leaseId }]));
const calm = (peers: number, more: Partial<Circumstances> = {}): Circumstances => ({
  peers: leased(keys(peers)),
  ownKey: OWN,
  ownExpired: false,
  afterGap: false,
  ...more,
});

t.test('what begins a doubt', async t => {
  const cases: readonly (readonly [string, JudgedBatch, Circumstances, RegExp | undefined])[] = [
    ['peers that leave while all is calm', batch(keys(3)), calm(4), undefined],
    ['our own key deleted while all is calm', batch([OWN]), calm(4), undefined],
    ['another cluster', batch([], { cause: 'relist', history: 'other-cluster' }), calm(4), /another cluster/],
    [
      'an older revision',
      batch([], { cause: 'relist', history: 'revision-went-back' }),
      calm(4),
      /older revision/,
    ],
    ['a quarter missing in a list', batch(keys(1), { cause: 'relist' }), calm(4), undefined],
    ['more than a quarter missing in a list', batch(keys(2), { cause: 'relist' }), calm(4), /2 of 4 peers/],
    ['more than a quarter after a gap', batch(keys(2)), calm(4, { afterGap: true }), /2 of 4 peers/],
    ['our own key missing in a list', batch([OWN], { cause: 'relist' }), calm(4), /our own lease expired/],
    [
      'any deletion when our lease is over',
      batch(keys(1)),
      calm(40, { ownExpired: true }),
      /our own lease expired/,
    ],
    ['no deletion when our lease is over', batch([]), calm(4, { ownExpired: true }), undefined],
    ['keys that were no peers', batch([`${PREFIX}x`], { cause: 'relist' }), calm(1), undefined],
    [
      'keys that were no peers, as reservations that nobody came for, when our lease is over',
      batch([`${PREFIX}x`]),
      calm(4, { ownExpired: true }),
      undefined,
    ],
    [
      'reservations, which cannot expire, deleted after a gap',
      batch(keys(4)),
      calm(0, { afterGap: true, peers: leased(keys(4), '0') }),
      undefined,
    ],
    [
      'reservations deleted when our lease is over',
      batch(keys(4)),
      calm(0, { ownExpired: true, peers: leased(keys(4), '0') }),
      undefined,
    ],
    [
      'reservations missing in a list, which may be of a restored etcd',
      batch(keys(2), { cause: 'relist' }),
      calm(0, { peers: leased(keys(4), '0') }),
      /2 of 4 peers/,
    ],
    ['our own key gone when our lease is over', batch([OWN]), calm(4, { ownExpired: true }), /our own lease/],
  ];
  for (const [what, judged, circumstances, reason] of cases) {
    const doubt = new Doubt(300);
    t.equal(doubt.judge(judged, circumstances, 1000), reason !== undefined, what);
    if (reason !== undefined) t.match(doubt.state, { reason, since: 1000, until: 301_000 });
  }
});

t.test('what a gap took is counted over all answers that tell of it', async t => {
  const all = keys(8);
  /** One answer after the other, each of one peer that went, or came back. */
  const judge = (answers: readonly ('went' | 'back' | 'calm')[]) => {
    const doubt = new Doubt(300);
    const peers = new Set(all);
    const gone: string[] = [];
    return answers.map(answer => {
      const before = new Set(peers);
      const changes: KeyChange[] = [];
      if (answer === 'went') {
        const key = all.find(each => peers.has(each))!;
        peers.delete(key);
        gone.push(key);
        changes.push(deletion(key));
      } else if (answer === 'back') {
        const key = gone.pop()!;
        peers.add(key);
        changes.push(put(key.slice(PREFIX.length), '192.0.2.1'));
      }
      const circumstances = calm(0, { afterGap: answer !== 'calm', peers: leased(before) });
      return doubt.judge({ ...batch([]), changes }, circumstances, 1000) ? doubt.state!.reason : 'believed';
    });
  };
  const believed = 'believed';
  const doubted = '3 of 8 peers were missing after a gap';
  t.strictSame(judge(['went', 'went', 'went']), [believed, believed, doubted]);
  t.strictSame(judge(['went', 'back', 'went', 'went', 'went']), [
    believed,
    believed,
    believed,
    believed,
    doubted,
  ]);
  t.strictSame(judge(['went', 'went', 'calm', 'went']), Array(4).fill(believed), 'the next gap counts anew');
});

t.test('the first list after a start is judged by what this host kept of an earlier run', async t => {
  const listed = new Set([OWN, ...keys(2)]);
  const cases: readonly (readonly [string, ReadonlySet<string>, FormerRun, RegExp | undefined])[] = [
    ['all goes on', listed, { leaseKey: OWN, history: 'same' }, undefined],
    ['a host that is new here', listed, { leaseKey: undefined, history: 'same' }, undefined],
    ['our lease is gone', new Set(keys(2)), { leaseKey: OWN, history: 'same' }, /the lease that we had/],
    [
      'our lease is there, of before',
      listed,
      { leaseKey: OWN, history: 'revision-went-back' },
      /older revision/,
    ],
    [
      'a host that gave its lease back',
      listed,
      { leaseKey: undefined, history: 'other-cluster' },
      /another cluster/,
    ],
  ];
  for (const [what, keysListed, former, reason] of cases) {
    const doubt = new Doubt(300);
    t.equal(doubt.judgeFirst(keysListed, former, 1000), reason !== undefined, what);
    if (reason !== undefined)
      t.match(doubt.state, { reason, since: 1000, until: 301_000, isOfFirstList: true }, what);
  }
});

t.test('a doubt lasts for the grace time after its last reason', async t => {
  const doubt = new Doubt(10);
  const wiped = batch([], { cause: 'relist', history: 'revision-went-back' });
  doubt.judge(wiped, calm(4), 0);
  t.equal(doubt.judge(batch(keys(1)), calm(4), 5_000), true, 'deletions meanwhile are in doubt too');
  doubt.judge(wiped, calm(4), 6_000);
  t.match(doubt.state, { since: 0, until: 16_000 });
  t.equal(doubt.endIfDue(15_999), false);
  t.equal(doubt.endIfDue(16_000), true);
  t.equal(doubt.endIfDue(16_001), false, 'ends once');
  t.equal(doubt.judge(batch(keys(1)), calm(4), 17_000), false);
});

const table = () =>
  new PeerTable({
    keyPrefix: PREFIX,
    network: parsePrefix('10.5.0.0/16')!,
    own: { key: OWN, subnets: { ipv4: parsePrefix('10.5.99.0/24')! }, addresses: ['192.0.2.99'] },
    judge: () => ({ ok: true, claims: ['MAC'] }),
  });
const put = (subnet: string, publicIp: string, revision = 1n): KeyChange => {
  const entry = { key: PREFIX + subnet, value: JSON.stringify({ PublicIP: publicIp }), leaseId: '1' };
  return { kind: 'put', entry: { ...entry, createRevision: revision, modRevision: revision } };
};

t.test('a peer whose key is gone is kept, until', async t => {
  const kept = () => {
    const peers = table();
    peers.apply([put('10.5.1.0-24', '192.0.2.1', 5n)]);
    const delta = peers.apply([deletion(`${PREFIX}10.5.1.0-24`)], 'keep');
    t.same(delta, { peers: [], setAside: [] }, 'nothing changes for the data plane');
    t.equal(peers.accepted.size, 1);
    t.equal(peers.kept.size, 1);
    return peers;
  };
  await t.test('its key comes back', async t => {
    const peers = kept();
    peers.apply([put('10.5.1.0-24', '192.0.2.1', 7n)]);
    t.equal(peers.kept.size, 0);
    t.same(peers.forgetKept(), { peers: [], setAside: [] });
  });
  await t.test('another host takes its subnet', async t => {
    const peers = kept();
    peers.apply([put('10.5.1.0-24', '192.0.2.7', 7n)]);
    t.equal(peers.accepted.get(`${PREFIX}10.5.1.0-24`)?.publicIp, '192.0.2.7');
    t.equal(peers.kept.size, 0);
  });
  await t.test('another host has what it claims: a live lease goes before one that is only kept', async t => {
    const peers = kept();
    const delta = peers.apply([put('10.5.2.0-24', '192.0.2.7', 7n)]);
    t.same([...peers.accepted.keys()], [`${PREFIX}10.5.2.0-24`]);
    t.equal(delta.peers.length, 2, 'one goes, one comes');
  });
  await t.test('its host registers another subnet: containers may use the old one yet', async t => {
    const peers = kept();
    peers.apply([put('10.5.2.0-24', '192.0.2.1', 7n)]);
    t.same([...peers.accepted.keys()].sort(), [`${PREFIX}10.5.1.0-24`, `${PREFIX}10.5.2.0-24`]);
    peers.forgetKept();
    t.same([...peers.accepted.keys()], [`${PREFIX}10.5.2.0-24`]);
  });
  await t.test('the doubt is over', async t => {
    const peers = kept();
    const delta = peers.forgetKept();
    t.match(delta.peers, [{ after: undefined }]);
    t.equal(peers.accepted.size + peers.kept.size, 0);
  });
  await t.test('our own subnet changes: the new table keeps it too', async t => {
    const peers = kept();
    const next = table();
    const delta = next.keepFrom(peers);
    t.match(delta.peers, [{ before: undefined, after: { publicIp: '192.0.2.1' } }]);
    t.same([...next.kept], [...peers.kept]);
  });
});
