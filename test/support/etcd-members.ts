/** A cluster of several etcd members on loopback. */
import type { Test } from 'tap';
import { startEtcd, type Etcd, type EtcdOptions } from './etcd.js';
import { freePort } from './free-port.js';

/**
 * Starts members that elect a leader within two seconds; they end with the test.
 * @param count 3 for a cluster that lives without one of them
 */
export async function startMembers(t: Test, count: number, options: EtcdOptions = {}): Promise<Etcd[]> {
  const peerPorts: number[] = [];
  while (peerPorts.length < count) peerPorts.push(await freePort());
  const cluster = peerPorts.map((port, i) => `m${i}=http://127.0.0.1:${port}`).join(',');
  const args = [`--initial-cluster=${cluster}`, '--heartbeat-interval=100', '--election-timeout=1000'];
  const start = async (peerPort: number, i: number): Promise<Etcd> => {
    const etcd = await startEtcd({
      ...options,
      peerPort,
      args: [...args, `--name=m${i}`, ...(options.args ?? [])],
    });
    t.teardown(() => etcd.destroy());
    return etcd;
  };
  return Promise.all(peerPorts.map(start));
}
