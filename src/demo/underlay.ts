/** The network between the hosts: one bridge in a namespace of its own, a cable to each machine. */
import type { Commands } from './command.js';
import { createNamespace, type Namespace } from './namespace.js';

/** First three bytes of every underlay address. */
const NETWORK = '192.168.77';
const BRIDGE = 'underlay';

/** Place of etcd's machine on the underlay; the hosts have 1 to 20. */
export const ETCD_PLACE = 254;

/** The machine's underlay address. */
export function underlayAddress(place: number): string {
  return `${NETWORK}.${place}`;
}

/** A namespace with `eth0` on the underlay. */
export interface Machine {
  /** `etcd`, `host1` …; also the name of its port on the bridge. */
  readonly name: string;
  /** Last byte of its address. */
  readonly place: number;
  readonly namespace: Namespace;
}

export class Underlay {
  constructor(private readonly namespace: Namespace) {}

  /** Lays a cable: `eth0` in the machine, with its address, and a port on the bridge. */
  async plug({ name, place, namespace }: Machine): Promise<void> {
    // A network card keeps its MAC when the machine reboots; a veth would get a random one each time.
    const mac = `02:00:c0:a8:4d:${place.toString(16).padStart(2, '0')}`;
    const peer = ['peer', 'name', 'eth0', 'address', mac, 'netns', namespace.name];
    await this.namespace.ip('link', 'add', name, 'type', 'veth', ...peer);
    await this.namespace.ip('link', 'set', name, 'master', BRIDGE, 'up');
    await namespace.ip('address', 'add', `${underlayAddress(place)}/24`, 'brd', '+', 'dev', 'eth0');
    await namespace.ip('link', 'set', 'eth0', 'up');
  }

  /** Takes the cable away, `eth0` included. */
  async unplug(name: string): Promise<void> {
    await this.namespace.ip('link', 'delete', name);
  }

  /** Cuts the cable of a machine (its `eth0` loses carrier) or mends it. */
  async setCable(name: string, state: 'cut' | 'whole'): Promise<void> {
    await this.namespace.ip('link', 'set', name, state === 'cut' ? 'down' : 'up');
  }
}

/** Makes the bridge, without any machine. */
export async function createUnderlay(name: string, commands: Commands): Promise<Underlay> {
  const namespace = await createNamespace(name, commands);
  await namespace.ip('link', 'add', BRIDGE, 'type', 'bridge');
  await namespace.ip('link', 'set', BRIDGE, 'up');
  return new Underlay(namespace);
}
