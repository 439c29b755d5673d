/** The admin's document as a whole: network and backend, with all faults of both in one answer. Pure. */
import type { Backend } from '../backends/backend.js';
import { configureBackend } from '../backends/registry.js';
import { formatFault, type Fault } from '../schema/go-json.js';
import { parseNetworkConfig, type SubnetRange } from '../subnet/network-config.js';

/** A document that this agent can run. */
export interface RunnableConfig {
  /** The document as it was read. */
  readonly text: string;
  readonly range: SubnetRange;
  readonly backend: Backend;
  /** What was taken for granted or ignored, a line each. */
  readonly notes: readonly string[];
}

export type ReadConfig =
  | { readonly ok: true; readonly config: RunnableConfig }
  | { readonly ok: false; readonly faults: readonly string[] };

/** Reads the document; every fault is a line of its own. */
export function readConfigDocument(text: string): ReadConfig {
  const network = parseNetworkConfig(text);
  const settings = network.ok ? network.config.backend : network.backend;
  const backend = settings && configureBackend(settings.type, settings.settings);
  const faults: Fault[] = network.ok ? unsupported(network.config) : [...network.faults];
  if (backend?.ok === false) faults.push(...backend.faults);
  if (!network.ok || backend?.ok !== true || faults.length > 0 || network.config.ipv4 === undefined) {
    return { ok: false, faults: faults.map(formatFault) };
  }
  const notes = [...network.config.notes, ...backend.notes];
  return { ok: true, config: { text, range: network.config.ipv4, backend: backend.backend, notes } };
}

/** Sound for flannel, and not built here yet. */
function unsupported(config: { readonly ipv4?: SubnetRange; readonly ipv6?: SubnetRange }): Fault[] {
  const rule = 'is not supported by selvedge yet: there is no data plane for IPv6';
  if (config.ipv6 !== undefined) return [{ field: 'EnableIPv6', value: true, rule }];
  return config.ipv4 === undefined ? [{ field: 'EnableIPv4', value: false, rule }] : [];
}
