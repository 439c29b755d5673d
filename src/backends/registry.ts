/** Backends by type name. Pure. */
import type { BackendType, Configured } from './backend.js';
import { hostGw } from './host-gw.js';
import { vxlan } from './vxlan.js';

const supported: readonly BackendType[] = [vxlan, hostGw];

/** Types that flannel has and we do not: a config that names one is right, and this agent is the wrong one for it. */
const knownToFlannel = new Set(['alloc', 'extension', 'ipip', 'ipsec', 'tencent-vpc', 'udp', 'wireguard']);

/**
 * The configured backend, or what is wrong with the Backend object.
 * @param type lower case
 * @param settings the Backend object without `Type`
 */
export function configureBackend(type: string, settings: Readonly<Record<string, unknown>>): Configured {
  const found = supported.find(each => each.type === type);
  if (found !== undefined) return found.configure(settings);
  const names = supported.map(each => each.type).join(', ');
  const rule = knownToFlannel.has(type)
    ? `is known to flannel, but not supported by selvedge yet (supported: ${names})`
    : `is not a backend (supported: ${names})`;
  return { ok: false, faults: [{ field: 'Backend.Type', value: type, rule }] };
}
