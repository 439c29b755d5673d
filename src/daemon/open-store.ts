/** The store that the etcd options name. */
import type { Logger } from 'pino';
import type { Etcd3StoreOptions } from '../subnet/etcd3-store.js';
import { StoreError, type Store } from '../subnet/store.js';
import { OperatorError } from './operator-error.js';
import type { EtcdOptions } from './options.js';

/**
 * Opens the store; nothing is connected yet. What speaks to etcd is loaded here and not before: gRPC takes longer than
 * all else that a command loads, and a help text or a wrong option needs none of it.
 * @param more told how the credential files and the endpoints are doing; the deadline of a call
 * @throws OperatorError for options that cannot work and credential files that cannot be read or used
 */
export async function openStore(
  options: EtcdOptions,
  log: Logger,
  more: Pick<Etcd3StoreOptions, 'onCredentials' | 'onEndpoints' | 'requestTimeoutMs'> = {},
): Promise<Store> {
  const { endpoints, prefix, caFile, certFile, keyFile, username, password, passwordFile } = options;
  const tls = {
    ...(caFile !== undefined && { caFile }),
    ...(certFile !== undefined && { certFile }),
    ...(keyFile !== undefined && { keyFile }),
  };
  const { createEtcd3Store } = await import('../subnet/etcd3-store.js');
  try {
    return createEtcd3Store({
      endpoints: [...endpoints],
      ...(Object.keys(tls).length > 0 && { tls }),
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password: password.reveal() }),
      ...(passwordFile !== undefined && { passwordFile }),
      keyPrefix: `${prefix}/`,
      ...more,
      log,
    });
  } catch (error) {
    throw error instanceof StoreError ? new OperatorError(error.message) : error;
  }
}
