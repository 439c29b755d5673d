/** A network as etcd holds it at one moment: config and leases, and what the config says. */
import { readConfigDocument, type ReadConfig } from '../daemon/config-document.js';
import type { Holdings } from '../subnet/reservation-plan.js';
import type { Store } from '../subnet/store.js';

export interface NetworkView extends Holdings {
  readonly configKey: string;
  /** Undefined when there is none. */
  readonly config: ReadConfig | undefined;
}

/**
 * Reads all of it at one revision.
 * @param prefix `/net`
 * @throws StoreError
 */
export async function readNetwork(store: Store, prefix: string): Promise<NetworkView> {
  // Each call has a deadline of its own.
  const { entries } = await store.list(`${prefix}/`, new AbortController().signal);
  const configKey = `${prefix}/config`;
  const text = entries.find(({ key }) => key === configKey)?.value;
  const config = text === undefined ? undefined : readConfigDocument(text);
  return { entries, keyPrefix: `${prefix}/subnets/`, configKey, config };
}
