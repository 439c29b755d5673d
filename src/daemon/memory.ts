/** What this host remembers of earlier runs, ours or flanneld's: the saved state and the subnet file. */
import type { Logger } from 'pino';
import type { Prefix } from '../address/prefix.js';
import type { Origin } from '../subnet/manager.js';
import { readFileIfPresent, writeFileAtomically } from './files.js';
import type { AgentOptions } from './options.js';
import { messageOf } from './operator-error.js';
import { readSavedState, stateFileOf, writeSavedState, type SavedState } from './saved-state.js';
import { parseSubnetEnv } from './subnet-env.js';

/** A part that cannot be read is as if it had never been written, and said so in the log. */
export async function recallState(options: AgentOptions, log: Logger): Promise<SavedState> {
  const { state, fault } = await readSavedState(stateFileOf(options.instanceStateDir));
  if (fault !== undefined) log.warn(fault);
  return state;
}

/**
 * The lease ended on purpose: its subnet is asked for again at the next start, and that its key is missing then says
 * nothing against the store.
 */
export async function forgetLease(options: AgentOptions, saved: SavedState, log: Logger): Promise<void> {
  try {
    await writeSavedState(
      stateFileOf(options.instanceStateDir),
      { ...saved, leaseKey: undefined },
      writeFileAtomically,
    );
  } catch (error) {
    log.error(messageOf(error));
  }
}

/** Subnets that this host had before, the best first. The state counts more: others may have written the file. */
export async function recallSubnets(
  saved: SavedState,
  subnetFile: string,
): Promise<readonly { readonly subnet: Prefix; readonly origin: Origin }[]> {
  const contents = await readFileIfPresent(subnetFile).catch(() => undefined);
  const fromFile = contents === undefined ? undefined : parseSubnetEnv(contents).subnet;
  return [
    ...(saved.subnet === undefined ? [] : [{ subnet: saved.subnet, origin: 'state' as const }]),
    ...(fromFile === undefined ? [] : [{ subnet: fromFile, origin: 'subnet-file' as const }]),
  ];
}
