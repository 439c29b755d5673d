/** Users of an etcd under test. */
import type { Etcd } from './etcd.js';

/** Lets `etcdctl` do everything once authentication is enabled. */
export const AS_ROOT = '--user=root:root-secret';

/** Enables authentication: users `root` and `bob`, who may use `/net/` only; by default he may write there. */
export async function enableAuth(etcd: Etcd, bob: 'readwrite' | 'read' = 'readwrite'): Promise<void> {
  await etcd.etcdctl('user', 'add', 'root:root-secret');
  await etcd.etcdctl('user', 'grant-role', 'root', 'root');
  await etcd.etcdctl('role', 'add', 'net');
  await etcd.etcdctl('role', 'grant-permission', 'net', '--prefix=true', bob, '/net/');
  await etcd.etcdctl('user', 'add', 'bob:bob-secret');
  await etcd.etcdctl('user', 'grant-role', 'bob', 'net');
  await etcd.etcdctl('auth', 'enable');
}
