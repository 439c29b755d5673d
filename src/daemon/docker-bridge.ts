/** Docker's bridge as the kernel has it. Pure. */
import type { Prefix } from '../address/prefix.js';
import type { Entry } from '../dataplane/model.js';

/** The name that dockerd gives to its bridge. */
export const DOCKER_BRIDGE = 'docker0';

/** Its IPv4 address with the length of its subnet; undefined without Docker. @param entries all that the kernel holds */
export function findDockerBridge(entries: readonly Entry[]): Prefix | undefined {
  const found = entries.find(
    entry => entry.kind === 'address' && entry.device === DOCKER_BRIDGE && entry.prefix.family === 4,
  );
  return found?.kind === 'address' ? found.prefix : undefined;
}
