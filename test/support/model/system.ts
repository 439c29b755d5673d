/** The hosts of the model and what happens to them. */
import type { MacAddress } from '../../../src/address/mac.js';
import { formatPrefix, type Prefix } from '../../../src/address/prefix.js';
import type { SavedState } from '../../../src/daemon/saved-state.js';
import { formatLeaseValue, formatSubnetKey } from '../../../src/subnet/lease.js';
import { formatReservation } from '../../../src/subnet/reservation.js';
import type { KeyValue } from '../../../src/subnet/store.js';
import { vtepOf } from '../dataplane.js';
import { nodeOf } from '../lease-host.js';
import { formatAction, HOSTS, SUBNETS, type Action, type Findings, type Garbage } from './actions.js';
import { CONFIG_KEY, KEY_PREFIX, startAgent, type Agent, type Machine } from './agent.js';
import { restFaults, sharedSubnets } from './invariants.js';
import { ADMIN, Journal } from './journal.js';
import { Ledger } from './ledger.js';
import { readWire, type WireNetwork } from './wire.js';
import type { World } from './world.js';

const NETWORK: WireNetwork = {
  keyPrefix: KEY_PREFIX,
  network: '10.5.0.0/16',
  subnetMin: '10.5.1.0',
  subnetMax: `10.5.${SUBNETS}.0`,
  subnetLength: 24,
  backend: { type: 'vxlan', vni: 1 },
};
const CONFIG = JSON.stringify({
  Network: NETWORK.network,
  SubnetMin: NETWORK.subnetMin,
  SubnetMax: NETWORK.subnetMax,
  Backend: { Type: NETWORK.backend.type },
});

/** One machine, whether an agent runs on it or not. */
export interface Host {
  readonly number: number;
  readonly publicIp: string;
  agent: Agent | undefined;
  isCut: boolean;
  saved: SavedState;
  /** MAC of its overlay device, which outlives the agent. */
  deviceMac: MacAddress | undefined;
  /** How often it was installed anew. */
  installations: number;
  /** When something last happened to it that it may need time for, milliseconds. */
  disturbedAt: number;
  /** What must not have changed at the next rest. */
  expected: { readonly subnet: Prefix; readonly modRevision: bigint | undefined } | undefined;
}

export class System {
  readonly hosts: readonly Host[];
  readonly #journal = new Journal();
  readonly ledger = new Ledger(this.#journal, NETWORK);
  readonly #world: World;
  readonly #seed: number;
  readonly #trace: string[] = [];
  #drawn = 0;
  #garbage = 0;

  /** @param seed of what the agents draw at random */
  constructor(world: World, seed: number) {
    this.#world = world;
    this.#seed = seed;
    this.hosts = Array.from({ length: HOSTS }, (_, index) => ({
      number: index + 1,
      publicIp: vtepOf(index + 1),
      agent: undefined,
      isCut: false,
      saved: {},
      deviceMac: undefined,
      installations: 0,
      disturbedAt: 0,
      expected: undefined,
    }));
  }

  /**
   * Lets the actions happen, one after the other, then everything come to rest.
   * @throws Error that tells what must not be, and how it came about
   */
  async run(actions: readonly Action[]): Promise<void> {
    try {
      this.#world.observe(this.ledger);
      await this.#put(CONFIG_KEY, CONFIG);
      for (const action of [...actions, { kind: 'calm' } as const]) {
        this.#trace.push(`${Math.round(this.#world.clock.now())} ms: ${formatAction(action)}`);
        await this.#happen(action);
        this.#refuse(this.#faultsAtAnyTime());
      }
    } finally {
      for (const host of this.hosts) host.agent?.kill();
    }
  }

  async #happen(action: Action): Promise<void> {
    const world = this.#world;
    switch (action.kind) {
      case 'join':
        return this.#join(this.#host(action.host));
      case 'leave':
        this.#leave(this.#host(action.host));
        return;
      case 'restart-agent':
        return this.#restartAgent(this.#host(action.host), action.finds);
      case 'cut': {
        const host = this.#host(action.host);
        if (host.isCut || host.agent === undefined) return;
        this.#disturb(host);
        host.isCut = true;
        host.agent.link.cut(action.how);
        return;
      }
      case 'heal':
        this.#heal(this.#host(action.host));
        return;
      case 'delete': {
        const host = this.#host(action.host);
        const [key] = keysOf(host);
        if (key === undefined) return;
        this.#disturb(host);
        return this.#remove(key);
      }
      case 'garbage':
        return this.#writeGarbage(action.what, action.host, action.subnet);
      case 'wait':
        return world.pass(action.ttls * world.ttlSeconds);
      case 'compact':
        return world.compact();
      case 'restart-etcd':
        this.hosts.forEach(host => (host.disturbedAt = world.clock.now()));
        return world.restart();
      case 'wipe':
        this.#forgetAll();
        return world.wipe();
      case 'restore':
        this.#forgetAll();
        await world.restore();
        this.ledger.note(await world.entries());
        return;
      case 'back-up':
        return world.backUp();
      case 'calm':
        return this.#rest();
    }
  }

  #host(number: number): Host {
    return this.hosts[number - 1]!;
  }

  #forgetAll(): void {
    this.hosts.forEach(host => this.#disturb(host));
  }

  /** Its key may have to be written anew, and is lost to a host that remembers nothing. */
  #disturb(host: Host): void {
    host.disturbedAt = this.#world.clock.now();
    const { subnet } = (host.agent ?? host).saved;
    if (subnet === undefined) host.expected = undefined;
    else if (host.expected !== undefined) host.expected = { ...host.expected, modRevision: undefined };
  }

  async #join(host: Host): Promise<void> {
    if (host.agent !== undefined) return;
    host.disturbedAt = this.#world.clock.now();
    const { publicIp, deviceMac, saved } = host;
    const drawnMac = this.#newMac();
    const random = randomFrom(this.#seed + 7919 * this.#drawn);
    host.agent = await startAgent(this.#world, {
      ...{ publicIp, deviceMac, drawnMac, saved, random, node: nodeOfHost(host) },
      recorded: store => this.#journal.recorded(store, publicIp),
    });
    host.isCut = false;
  }

  #leave(host: Host): void {
    if (host.agent === undefined) return;
    host.agent.kill();
    host.saved = host.agent.saved;
    host.agent = undefined;
    this.#disturb(host);
  }

  async #restartAgent(host: Host, finds: Findings): Promise<void> {
    if (host.agent === undefined) return;
    const { expected, isCut } = host;
    this.#leave(host);
    // While its lease lives, nobody hears of a restart.
    if (!isCut) host.expected = expected;
    switch (finds) {
      case 'all':
        break;
      case 'nothing':
        host.deviceMac = undefined;
        host.saved = {};
        if (host.expected?.modRevision === undefined) host.expected = undefined;
        break;
      case 'new-device':
        host.deviceMac = this.#newMac();
        this.#disturb(host);
        break;
      case 'new-node':
        host.installations++;
        host.deviceMac = undefined;
        host.saved = {};
        this.#disturb(host);
        // Its key outlives the time after which it counts as silent; a busy machine may need longer.
        if (expected?.modRevision !== undefined && !isCut && this.#world.settleSeconds !== undefined)
          host.expected = { ...expected, modRevision: undefined };
    }
    await this.#join(host);
  }

  #newMac(): MacAddress {
    return `02:53:00:00:00:${(++this.#drawn % 256).toString(16).padStart(2, '0')}`;
  }

  #heal(host: Host): void {
    if (!host.isCut) return;
    host.isCut = false;
    host.disturbedAt = this.#world.clock.now();
    host.agent?.link.heal();
  }

  async #writeGarbage(what: Garbage, number: number | undefined, anySubnet: number): Promise<void> {
    const host = number === undefined ? undefined : this.#host(number);
    const key = (host && keysOf(host)[0]) ?? `${KEY_PREFIX}10.5.${anySubnet}.0-24`;
    const present = (await this.#world.entries()).find(entry => entry.key === key);
    for (const each of this.hosts) if (keysOf(each).includes(key)) this.#disturb(each);
    const n = ++this.#garbage;
    const stranger = { publicIp: `192.0.2.${n}`, backendType: 'vxlan' };
    const backendData = { VNI: 1, VtepMAC: `02:99:00:00:00:${(n % 256).toString(16).padStart(2, '0')}` };
    const ipv6 = { publicIpv6: `2001:db8::${n}`, backendV6Data: backendData };
    const values: Readonly<Record<Garbage, readonly [key: string, value: string | undefined]>> = {
      'not-json': [key, `{"PublicIP": ${n}`],
      'bad-key': [`${KEY_PREFIX}10.5.${anySubnet}.0`, `${n}`],
      'no-address': [key, '{"BackendType":"vxlan"}'],
      rewritten: [key, host && formatLeaseValue({ ...stranger, publicIp: host.publicIp, backendData })],
      stranger: [key, formatLeaseValue({ ...stranger, backendData })],
      unleased: [key, present && this.#isLeftBehind(present) ? undefined : present?.value],
      'dual-stack': [`${key}&fd00:5:${n}::-64`, formatLeaseValue({ ...stranger, ...ipv6, backendData })],
      // SubnetMax was lowered since.
      'reserved-outside': [
        `${KEY_PREFIX}10.5.${SUBNETS + anySubnet}.0-24`,
        host && formatReservation(host.publicIp),
      ],
    };
    const [where, value] = values[what];
    if (value === undefined) return;
    await this.#put(where, value);
  }

  /** Whether it says that it is of a host which has another by now, as after a restore: it goes, unless it is reserved. */
  #isLeftBehind({ key, value }: KeyValue): boolean {
    const publicIp = readWire(value)?.PublicIP;
    const agent = this.hosts.find(each => each.publicIp === publicIp)?.agent;
    return agent !== undefined && (agent.facts.own?.key !== key || agent.facts.ownLost !== undefined);
  }

  async #put(key: string, value: string): Promise<void> {
    this.#journal.note(ADMIN, key, { kind: 'put', value });
    await this.#world.put(key, value);
  }

  async #remove(key: string): Promise<void> {
    const entries = await this.#world.entries();
    // Else it would be taken to have done what another does later.
    if (!entries.some(entry => entry.key === key)) return;
    this.#journal.note(ADMIN, key, { kind: 'remove' });
    await this.#world.remove(key);
  }

  /** Everything heals; then, in time, all must be as it should be, and stay so. */
  async #rest(): Promise<void> {
    const world = this.#world;
    const { clock, calmSeconds } = world;
    for (const host of this.hosts) this.#heal(host);
    await this.#put(CONFIG_KEY, CONFIG);
    const end = clock.now() + calmSeconds * 1000;
    let faults = await this.#restFaults();
    while (faults.length > 0 && clock.now() < end) {
      await world.pass(calmSeconds / 200);
      faults = await this.#restFaults();
    }
    this.#refuse(faults);
    await this.#noteRest();
  }

  async #restFaults(): Promise<string[]> {
    return restFaults(this.hosts, await this.#world.entries(), this.ledger);
  }

  async #noteRest(): Promise<void> {
    const entries = await this.#world.entries();
    this.ledger.rest(entries);
    for (const host of this.hosts) {
      const own = host.agent?.facts.own;
      if (own === undefined) continue;
      const entry = entries.find(({ key }) => key === own.key);
      host.expected = { subnet: own.subnet, modRevision: entry?.modRevision };
    }
  }

  #faultsAtAnyTime(): string[] {
    const { settleSeconds, clock } = this.#world;
    const bugs = this.hosts.flatMap(({ agent }) =>
      agent?.bug === undefined ? [] : [describeBug(agent.bug)],
    );
    if (settleSeconds === undefined) return [...bugs, ...this.ledger.complaints];
    const settled = this.hosts.filter(
      host => !host.isCut && clock.now() - host.disturbedAt >= settleSeconds * 1000,
    );
    return [...bugs, ...this.ledger.complaints, ...sharedSubnets(settled)];
  }

  #refuse(faults: readonly string[]): void {
    if (faults.length === 0) return;
    const logs = this.hosts.flatMap(({ publicIp, agent }) => [
      `-- ${publicIp} has ${agent?.facts.own === undefined ? 'no lease' : formatPrefix(agent.facts.own.subnet)}:`,
      ...(agent?.lines ?? []).slice(-12).map(line => `   ${line.level}: ${line.msg}`),
    ]);
    throw new Error([...faults, '-- what happened:', ...this.#trace, ...logs].join('\n'));
  }
}

/** An installation draws a node id of its own. */
function nodeOfHost({ publicIp, installations }: Host): Machine['node'] {
  const { nodeId, name } = nodeOf(publicIp);
  return { nodeId: String(installations % 10) + nodeId.slice(1), name };
}

/** The keys that are the host's, as it knows or, having forgotten, may yet find out. */
function keysOf({ agent, saved, expected }: Host): readonly string[] {
  const expectedKey = expected && KEY_PREFIX + formatSubnetKey({ ipv4: expected.subnet });
  return [agent?.saved.leaseKey, saved.leaseKey, expectedKey].filter(key => key !== undefined);
}

function describeBug(bug: unknown): string {
  return `an agent ended: ${bug instanceof Error ? (bug.stack ?? bug.message) : String(bug)}`;
}

/** Numbers in [0, 1) that depend on the seed alone (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
