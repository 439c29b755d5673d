/** Counters of the kernel, read twice. Effects; nothing is changed, and no root is needed. */
import { readFile } from 'node:fs/promises';
import type { AgentFact, ChecksumFact, DeviceCounters, TunnelFact } from '../facts.js';

/** Resolves after that many milliseconds. */
export type Sleep = (ms: number) => Promise<void>;

/** Between two looks at a counter that rises with the traffic. */
const SAMPLE_MS = 500;
/** As long as the agents of all hosts take to probe each of few peers once, and a little more. */
const ROUND_MS = 11_000;

/** Reads how often a UDP checksum was wrong, twice. */
export async function readChecksums(sleep: Sleep): Promise<ChecksumFact> {
  const before = await readChecksumErrors();
  await sleep(SAMPLE_MS);
  return { before, after: await readChecksumErrors(), seconds: SAMPLE_MS / 1000 };
}

async function readChecksumErrors(): Promise<number> {
  return parseUdpCounter(await readFile('/proc/self/net/snmp', 'utf8'), 'InCsumErrors');
}

/**
 * A counter out of /proc/net/snmp: a line of names and one of values for each protocol (net/ipv4/proc.c).
 * @throws Error when it is not there
 */
export function parseUdpCounter(text: string, name: string): number {
  const [names = '', values = ''] = text.split('\n').filter(line => line.startsWith('Udp:'));
  const index = names.split(' ').indexOf(name);
  const value = Number(index < 0 ? NaN : values.split(' ')[index]);
  if (Number.isNaN(value)) throw new Error(`/proc/net/snmp has no ${name} of UDP`);
  return value;
}

/**
 * Counts what goes through the tunnel during a round of probes, where hosts answer and the tunnel to none of them does.
 * @returns undefined where that is not so
 */
export async function readTunnel(agent: AgentFact, sleep: Sleep): Promise<TunnelFact | undefined> {
  const device = agent.kind === 'answers' ? agent.status.dataPlane?.device?.name : undefined;
  const peers = agent.kind === 'answers' ? agent.status.probes?.peers : undefined;
  if (device === undefined || peers === undefined) return undefined;
  if (peers['overlay-blocked'] === 0 || peers.reachable > 0) return undefined;
  const before = await readCounters(device);
  await sleep(ROUND_MS);
  return { device, before, after: await readCounters(device), seconds: ROUND_MS / 1000 };
}

async function readCounters(device: string): Promise<DeviceCounters> {
  return parseDeviceCounters(await readFile('/proc/self/net/dev', 'utf8'), device);
}

/**
 * Counters out of /proc/net/dev: eight columns of what was received (bytes, packets, errors …), then eight of what was sent
 * (net/core/net-procfs.c).
 * @throws Error when the device is not there
 */
export function parseDeviceCounters(text: string, device: string): DeviceCounters {
  const line = text.split('\n').find(each => each.trimStart().startsWith(`${device}:`));
  if (line === undefined) throw new Error(`/proc/net/dev has no ${device}`);
  const columns = line
    .slice(line.indexOf(':') + 1)
    .trim()
    .split(/\s+/)
    .map(Number);
  const [received = 0, sent = 0, errors = 0, dropped = 0] = [1, 9, 10, 11].map(index => columns[index] ?? 0);
  return { received, sent, unsent: errors + dropped };
}
