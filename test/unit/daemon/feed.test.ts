/** Whose deletions are believed: the wiring of doubt to what the agent knows of its own lease and connection. */
import { performance } from 'node:perf_hooks';
import t from 'tap';
import { configureBackend } from '../../../src/backends/registry.js';
import { emptyFacts } from '../../../src/daemon/facts.js';
import { StoreFeed } from '../../../src/daemon/feed.js';
import { resolveAgentOptions } from '../../../src/daemon/options.js';
import { Overlay } from '../../../src/daemon/overlay.js';
import { steadyClock } from '../../../src/daemon/tasks.js';
import { formatLeaseValue } from '../../../src/subnet/lease.js';
import type { MirrorBatch, Position } from '../../../src/subnet/mirror.js';
import { formatReservation, NO_LEASE } from '../../../src/subnet/reservation.js';
import type { KeyChange, KeyValue } from '../../../src/subnet/store.js';
import { macOf, NETWORK, OWN_MAC, prefix, vtepOf } from '../../support/dataplane.js';
import { recordedLog } from '../../support/recorded-log.js';

const KEY_PREFIX = '/net/subnets/';
const OWN_KEY = `${KEY_PREFIX}10.5.1.0-24`;

function entryOf(peer: number): KeyValue {
  const backendData = { VNI: 1, VtepMAC: macOf(peer) };
  const value = formatLeaseValue({ publicIp: vtepOf(peer), backendType: 'vxlan', backendData });
  const revision = BigInt(peer);
  return {
    key: `${KEY_PREFIX}10.5.${peer}.0-24`,
    value,
    createRevision: revision,
    modRevision: revision,
    leaseId: '1',
  };
}

/** An agent that has joined with peers 2 and 3 and has just renewed its lease of 24 hours. */
function joined(history?: Position) {
  const resolved = resolveAgentOptions({}, [], {});
  const configured = configureBackend('vxlan', {});
  if (!resolved.ok || !configured.ok) throw new Error('defaults');
  const { log } = recordedLog();
  const facts = emptyFacts(performance.now());
  facts.history = history;
  const feed = new StoreFeed(facts, resolved.options, log, steadyClock);
  const overlay = new Overlay({ backend: configured.backend, network: NETWORK, keyPrefix: KEY_PREFIX, log });
  const own = {
    key: OWN_KEY,
    subnet: prefix('10.5.1.0/24'),
    value: '',
    modRevision: 1n,
    leaseId: '1',
    origin: 'free',
  } as const;
  const underlay = { device: 'up0', address: vtepOf(1), publicIp: vtepOf(1), mtu: 1500, routes: [] };
  const entries = new Map([2, 3].map(peer => [entryOf(peer).key, entryOf(peer)]));
  feed.onConnection({ connected: true, since: 0, error: undefined });
  feed.onReset({ entries: [...entries.values()], revision: 9n, clusterId: 'c' });
  overlay.setOwn(own, { subnets: { ipv4: own.subnet }, underlay, mac: OWN_MAC }, entries, false);
  Object.assign(facts, {
    overlay,
    own,
    renewedAt: performance.now(),
    expiresAt: performance.now() + 86_400_000,
  });
  const gone = (more: Partial<MirrorBatch> = {}) => {
    const deletion: KeyChange = { kind: 'delete', key: entryOf(2).key, modRevision: 10n };
    feed.onChanges({
      cause: 'watch',
      history: 'same',
      changes: [deletion],
      revision: 10n,
      clusterId: 'c',
      ...more,
    });
    return overlay.peers!.accepted.size === 1 ? 'believed' : 'kept';
  };
  return { facts, feed, gone };
}

const away = { connected: false, since: 0, error: undefined } as const;
const back = { connected: true, since: 0, error: undefined } as const;

t.test('a peer that leaves soon after we came is gone', async t => {
  t.equal(joined().gone(), 'believed');
});

t.test('after etcd was away, half of the peers missing is no matter of course', async t => {
  const { feed, gone } = joined();
  feed.onConnection(away);
  feed.onConnection(back);
  t.equal(gone(), 'kept');
});

t.test('after etcd was away, a reservation that nobody came for goes without a word', async t => {
  const { facts, feed } = joined();
  const key = `${KEY_PREFIX}10.5.50.0-24`;
  const entry = { ...entryOf(50), value: formatReservation('192.0.2.50'), leaseId: NO_LEASE };
  const batch = { cause: 'watch', history: 'same', revision: 11n, clusterId: 'c' } as const;
  feed.onConnection(away);
  feed.onConnection(back);
  facts.ownLost = 'expired';
  feed.onChanges({ ...batch, changes: [{ kind: 'put', entry }] });
  t.match(facts.overlay?.peers?.setAside.get(key), { code: 'reserved' });
  feed.onChanges({ ...batch, changes: [{ kind: 'delete', key, modRevision: 11n }] });
  t.equal(facts.doubt?.state, undefined);
  t.equal(facts.overlay?.peers?.setAside.size, 0);
});

t.test('a renewal that is overdue shows a cut on the same connection', async t => {
  const { facts, gone } = joined();
  facts.renewedAt = performance.now() - 200_000;
  t.equal(gone(), 'kept');
});

t.test('our own lease over, or lost as expired', async t => {
  const over = joined();
  over.facts.expiresAt = performance.now() - 1;
  t.equal(over.gone(), 'kept');
  const lost = joined();
  lost.facts.ownLost = 'expired';
  t.equal(lost.gone(), 'kept');
});

t.test('another history', async t => {
  t.equal(joined().gone({ cause: 'relist', history: 'revision-went-back' }), 'kept');
});

t.test('an etcd of before at a start', async t => {
  t.equal(joined({ clusterId: 'c', revision: 9n }).gone(), 'believed');
  const restored = joined({ clusterId: 'c', revision: 10n });
  t.match(restored.facts.doubt?.state, { reason: 'etcd was restored to an older revision' });
  t.equal(restored.gone(), 'kept');
  t.equal(joined({ clusterId: 'd', revision: 1n }).gone(), 'kept');
});
