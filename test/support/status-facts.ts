/** Facts of an agent in its stages, and the status that is made of them. */
import { join } from 'node:path';
import type { Test } from 'tap';
import { configureBackend } from '../../src/backends/registry.js';
import { ConfigFollower } from '../../src/daemon/config-follower.js';
import { EnvFiles } from '../../src/daemon/env-files.js';
import { writeFileAtomically } from '../../src/daemon/files.js';
import { emptyFacts, type Facts } from '../../src/daemon/facts.js';
import { resolveAgentOptions, type AgentOptions } from '../../src/daemon/options.js';
import { Overlay } from '../../src/daemon/overlay.js';
import { buildStatus } from '../../src/daemon/status-builder.js';
import type { StatusDocument } from '../../src/daemon/status.js';
import { formatLeaseValue } from '../../src/subnet/lease.js';
import type { OwnLease } from '../../src/subnet/manager.js';
import type { KeyValue } from '../../src/subnet/store.js';
import { macOf, NETWORK, OWN_MAC, prefix, UNDERLAY, vtepOf } from './dataplane.js';
import { startReconciling, type Reconciling } from './reconciling.js';
import { recordedLog } from './recorded-log.js';

export const KEY_PREFIX = '/net/subnets/';
export const CONFIG = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}';
/** The agent started at steady 1,000 ms; it is now 2026-01-01T00:01:00Z, steady 61,000 ms. */
export const CLOCK = { wall: Date.UTC(2026, 0, 1, 0, 1, 0), steady: 61_000 };

export function optionsWith(flags: Record<string, string[]> = {}): AgentOptions {
  const resolved = resolveAgentOptions({ 'etcd-prefix': ['/net'], ...flags }, [], {});
  if (!resolved.ok) throw new Error(resolved.faults.join('; '));
  return resolved.options;
}
export const options = optionsWith();

export const build = (facts: Facts): StatusDocument => buildStatus(facts, options, CLOCK);
export const codes = (facts: Facts) => build(facts).problems.map(({ code }) => code);

/** A lease of host n in the store. */
export function entryOf(
  n: number,
  given: { readonly vni?: number; readonly publicIp?: string } = {},
): KeyValue {
  const value = formatLeaseValue({
    publicIp: given.publicIp ?? vtepOf(n),
    backendType: 'vxlan',
    backendData: { VNI: given.vni ?? 1, VtepMAC: macOf(n) },
  });
  const revision = BigInt(n);
  return {
    ...{ key: `${KEY_PREFIX}10.5.${n}.0-24`, value, createRevision: revision, modRevision: revision },
    leaseId: '0',
  };
}

export const own: OwnLease = {
  key: `${KEY_PREFIX}10.5.1.0-24`,
  subnet: prefix('10.5.1.0/24'),
  value: '',
  modRevision: 7n,
  leaseId: '7587856389461679621',
  origin: 'free',
};

/** What is known before etcd has answered. */
export function started(): Facts {
  const facts = emptyFacts(1_000);
  facts.config = new ConfigFollower('/net/config', recordedLog().log);
  facts.underlay = {
    ...{ name: UNDERLAY, mtu: 1500, address: vtepOf(1), publicIp: vtepOf(1) },
    reason: 'it has the default route',
  };
  return facts;
}

/** What is known once etcd has answered. @param config as etcd has it */
export function answered(config?: string): Facts {
  const facts = started();
  facts.connection = { connected: true, since: 2_000, error: undefined };
  facts.mirrored = true;
  facts.config?.see(config);
  return facts;
}

/** A host with a lease and a reconciler at work on a fake kernel. @param settings of the backend vxlan */
export function joined(
  t: Test,
  entries: readonly KeyValue[],
  settings: Record<string, unknown> = {},
): { facts: Facts; reconciling: Reconciling } {
  const facts = answered(CONFIG);
  const configured = configureBackend('vxlan', settings);
  if (!configured.ok) throw new Error('vxlan');
  const { log } = recordedLog();
  const reconciling = startReconciling(t);
  const overlay = new Overlay({ backend: configured.backend, network: NETWORK, keyPrefix: KEY_PREFIX, log });
  overlay.attach(reconciling.reconciler);
  const underlay = { device: UNDERLAY, address: vtepOf(1), publicIp: vtepOf(1), mtu: 1500, routes: [] };
  const self = { subnets: { ipv4: own.subnet }, underlay, mac: OWN_MAC };
  overlay.setOwn(own, self, new Map(entries.map(entry => [entry.key, entry])), false);
  facts.backend = configured.backend;
  facts.own = own;
  facts.renewedAt = 60_000;
  facts.expiresAt = 660_000;
  facts.overlay = overlay;
  facts.reconciler = reconciling.reconciler;
  return { facts, reconciling };
}

/** The files for Docker are written. */
export async function withFiles(t: Test, facts: Facts): Promise<void> {
  const directory = t.testdir();
  const path = (name: string) => join(directory, name);
  const paths = { subnetFile: path('s'), dockerEnvFile: path('e'), dockerOptsFile: path('o') };
  facts.files = new EnvFiles(paths, recordedLog().log, writeFileAtomically);
  const ipv4 = { network: NETWORK, subnet: own.subnet };
  await facts.files.write({ ipv4, mtu: 1450, ipMasq: false }, 31_000);
}
