/** Containers as Docker makes them from the env file: a bridge on the host, a namespace behind it. */
import { addressAt, maskPrefix } from '../address/prefix.js';
import type { Commands } from './command.js';
import type { SubnetEnv } from './env-file.js';
import { createNamespace, type Namespace } from './namespace.js';

/** The host's container bridge; Docker calls it docker0. */
export const CONTAINER_BRIDGE = 'br0';

/** A namespace on the overlay. */
export interface Container {
  readonly namespace: Namespace;
  readonly address: string;
  /** MTU of its eth0 in bytes. */
  readonly mtu: number;
}

/** Makes the container bridge with the subnet's first address and the overlay's MTU. */
export async function createContainerBridge(host: Namespace, env: SubnetEnv): Promise<void> {
  const gateway = `${env.gateway.address}/${env.gateway.length}`;
  await host.ip('link', 'add', CONTAINER_BRIDGE, 'mtu', String(env.mtu), 'type', 'bridge');
  await host.ip('address', 'add', gateway, 'brd', '+', 'dev', CONTAINER_BRIDGE);
  await host.ip('link', 'set', CONTAINER_BRIDGE, 'up');
}

/**
 * Makes a container namespace and joins it to the bridge.
 * @param number 1 for the host's first container: it gets the address after the bridge's
 */
export async function createContainer(
  host: Namespace,
  env: SubnetEnv,
  number: number,
  commands: Commands,
): Promise<Container> {
  const namespace = await createNamespace(`${host.name}-c${number}`, commands);
  const address = addressAt(maskPrefix(env.gateway), BigInt(number + 1));
  const [port, mtu] = [`c${number}`, String(env.mtu)];
  const peer = ['peer', 'name', 'eth0', 'mtu', mtu, 'netns', namespace.name];
  await host.ip('link', 'add', port, 'mtu', mtu, 'type', 'veth', ...peer);
  await host.ip('link', 'set', port, 'master', CONTAINER_BRIDGE, 'up');
  await namespace.ip('address', 'add', `${address}/${env.gateway.length}`, 'brd', '+', 'dev', 'eth0');
  await namespace.ip('link', 'set', 'eth0', 'up');
  await namespace.ip('route', 'add', 'default', 'via', env.gateway.address);
  return { namespace, address, mtu: env.mtu };
}
