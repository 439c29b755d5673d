/** Files, settings and rules of this host. Effects; nothing is changed. */
import { access, constants, readdir, readFile } from 'node:fs/promises';
import { firewallNamesOf } from '../../dataplane/firewall/model.js';
import { findInstalled, runProgram } from '../../dataplane/firewall/programs.js';
import { SystemFirewall } from '../../dataplane/firewall/system-firewall.js';
import { readFileIfPresent } from '../../daemon/files.js';
import { readHost, SYSCTL } from '../../daemon/host-setup/read.js';
import { nodeIdFileOf } from '../../daemon/node-id.js';
import { messageOf } from '../../daemon/operator-error.js';
import type { AgentOptions } from '../../daemon/options.js';
import { readSavedState, stateFileOf } from '../../daemon/saved-state.js';
import type { FilesFact, FirewallFact, SettingsFact, StateFact } from '../facts.js';

export async function readFirewall({ instance }: AgentOptions): Promise<FirewallFact> {
  const held = await new SystemFirewall().read(firewallNamesOf(instance), false);
  const unread = held.iptables.flatMap(({ held: reading }) => (reading.ok ? [] : [reading.error]));
  const iptables = held.iptables.flatMap(({ held: reading }) => (reading.ok ? [reading.value] : []));
  const nft = await findInstalled('nft');
  if (nft === undefined) return { iptables, nftRuleset: '', unread };
  try {
    return { iptables, nftRuleset: await runProgram(nft, ['--json', 'list', 'ruleset']), unread };
  } catch (error) {
    return { iptables, nftRuleset: '', unread: [...unread, messageOf(error)] };
  }
}

export async function readSettings({ stateDir }: AgentOptions): Promise<SettingsFact> {
  const path = '/proc/sys/net/bridge/bridge-nf-call-iptables';
  const bridgeNetfilter = (await readFile(path, 'utf8').catch(() => undefined))?.trim();
  return { setup: await readHost(stateDir), bridgeNetfilter, unforwarding: await readUnforwarding() };
}

async function readUnforwarding(): Promise<string[]> {
  const directory = `${SYSCTL}/net/ipv4/conf`;
  const names = await readdir(directory).catch(() => []);
  const values = await Promise.all(
    names.map(name => readFile(`${directory}/${name}/forwarding`, 'utf8').catch(() => '')),
  );
  return names.filter((_, i) => values[i]!.trim() === '0');
}

/** @throws Error when one is not for us to read */
export async function readFiles({ subnetFile, dockerEnvFile }: AgentOptions): Promise<FilesFact> {
  return {
    subnetEnv: await readFileIfPresent(subnetFile),
    dockerEnv: await readFileIfPresent(dockerEnvFile),
  };
}

/** @throws Error when it is not for us to read */
export async function readState({ stateDir, instanceStateDir }: AgentOptions): Promise<StateFact> {
  const path = stateFileOf(instanceStateDir);
  await access(path, constants.R_OK).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  });
  const nodeId = await readFileIfPresent(nodeIdFileOf(stateDir));
  return { ...(await readSavedState(path)), nodeId: nodeId?.trim() };
}
