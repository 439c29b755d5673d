/** Fills etcd with peers. */
import { answer } from './answer.js';
import { connectEtcd, putLeases, type PeerRange } from './etcd-puts.js';

export interface LoadTask {
  readonly endpoint: string;
  readonly peers: PeerRange;
}

await answer('load', async ({ endpoint, peers }) => {
  const etcd = connectEtcd(endpoint);
  await putLeases(etcd, peers);
  etcd.close();
  return {};
});
