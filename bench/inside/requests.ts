/** Reads etcd's count of requests, from where etcd can be reached. */
import { readEtcdRequests, type EtcdRequests } from '../../test/support/etcd-requests.js';
import { answer } from './answer.js';

export interface RequestsTask {
  readonly endpoint: string;
}

await answer('requests', async ({ endpoint }): Promise<EtcdRequests> => readEtcdRequests(endpoint));
