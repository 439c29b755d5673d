/** A host with a real agent on a real etcd, and peers that exist in etcd only. */
import type { Host } from '../src/demo/host.js';
import type { Lab } from '../src/demo/lab.js';
import { readStatus } from '../src/cli/agent-client.js';
import type { StatusDocument } from '../src/daemon/status.js';
import { runInside } from './lab.js';
import { CONFIG } from './peers.js';

/** For an agent to program whatever peers there are. */
export const PEERS_DEADLINE_SECONDS = 120;

/** Starts etcd with the config and the leases of peers 1 to `peers`, and a host without its agent. */
export async function prepareHost(lab: Lab, peers: number, config: object = CONFIG): Promise<Host> {
  await lab.startEtcd();
  await lab.setConfig(config);
  const host = await lab.addHost();
  const { endpoint } = lab;
  if (peers > 0) await runInside(lab, host.namespace, 'load', { endpoint, peers: { first: 1, last: peers } });
  return host;
}

/** The same with an agent that has programmed all of them. */
export async function startHost(
  lab: Lab,
  peers: number,
  agentOptions: readonly string[] = [],
): Promise<Host> {
  const host = await prepareHost(lab, peers);
  await host.startAgent(agentOptions);
  await waitForPeers(lab, host, peers);
  return host;
}

/** Waits until the agent runs and has programmed exactly so many peers. */
export async function waitForPeers(lab: Lab, host: Host, peers: number): Promise<StatusDocument> {
  return lab.waitFor({
    what: `${peers} programmed peers`,
    deadlineSeconds: PEERS_DEADLINE_SECONDS,
    intervalMs: 100,
    read: () => readStatus(host.files.socket),
    until: status => runsWith(status, peers),
  });
}

/** Whether the agent runs and has programmed exactly so many peers. */
export function runsWith({ phase, peers }: StatusDocument, number: number): boolean {
  return phase === 'running' && peers.filter(({ state }) => state === 'programmed').length === number;
}
