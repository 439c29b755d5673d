/**
 * The node id: which host this is, whatever its address. One for the host, shared by all its instances; those with a state
 * directory of their own each may have one of their own, which harms nothing: ids are compared within one prefix, and every
 * instance has another.
 *
 * Derived from the machine id, so that a lost state directory does not make another host of it; but never the machine id
 * itself, which machine-id(5) asks not to publish. What is in the file wins: the host keeps its id when the machine id
 * changes, and an operator can set one.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { isNodeId } from '../subnet/holder.js';
import { readFileIfPresent, type WriteFile } from './files.js';
import { messageOf } from './operator-error.js';

/** Made once with `systemd-id128 new`; another one would make other hosts of all. */
const APPLICATION_ID = '43b132520f484e61bd27816c60cf27b2';

export interface NodeIdFiles {
  /** `<state-dir>`. */
  readonly stateDir: string;
  /** Default `/etc/machine-id`. */
  readonly machineIdFile?: string;
}

/** @param stateDir `<state-dir>`, which all instances of the host share */
export function nodeIdFileOf(stateDir: string): string {
  return join(stateDir, 'node-id');
}

/**
 * Reads the id from `<state-dir>/node-id`, and puts it there when there is none. A file that cannot be read or holds
 * something else is replaced; a file that cannot be written costs a host with a machine id nothing. Both are logged. Of
 * instances that start together the first one makes the id, and the others take that.
 * @returns 32 lower-case hexadecimal digits
 */
export async function readNodeId(files: NodeIdFiles, log: Logger, writeFile: WriteFile): Promise<string> {
  const { stateDir, machineIdFile = '/etc/machine-id' } = files;
  const path = nodeIdFileOf(stateDir);
  const kept = await readFileIfPresent(path).catch((error: unknown) => {
    log.warn(`the node id cannot be read from ${path}: ${messageOf(error)}; made anew`);
    return undefined;
  });
  const id = asNodeId(kept);
  if (id !== undefined) return id;
  if (kept !== undefined) log.warn(`${path} holds no node id (32 hexadecimal digits): made anew`);
  const made = deriveNodeId(await readMachineId(machineIdFile)) ?? asUuid(randomBytes(16));
  try {
    const isFirst =
      (await writeFile(path, `${made}\n`, kept === undefined ? 'if-absent' : undefined)) === 'written';
    return isFirst ? made : (asNodeId(await readFileIfPresent(path)) ?? made);
  } catch (error) {
    log.warn(`the node id is not kept: ${messageOf(error)}`);
    return made;
  }
}

function asNodeId(contents: string | undefined): string | undefined {
  const text = contents?.trim();
  return text !== undefined && isNodeId(text) ? text : undefined;
}

/**
 * As sd_id128_get_machine_app_specific(3): `systemd-id128 machine-id --app-specific=<our application id>` prints the same.
 * @param machineId contents of machine-id(5)
 * @returns undefined for what is no machine id, such as `uninitialized` at the first boot
 */
export function deriveNodeId(machineId: string | undefined): string | undefined {
  const text = machineId?.trim() ?? '';
  if (!/^[0-9a-f]{32}$/.test(text) || /^0*$/.test(text)) return undefined;
  const hash = createHmac('sha256', Buffer.from(text, 'hex')).update(Buffer.from(APPLICATION_ID, 'hex'));
  return asUuid(hash.digest().subarray(0, 16));
}

/** Without a machine id (a container, an image that was never booted) any id will do, as long as it is kept. */
async function readMachineId(path: string): Promise<string | undefined> {
  return readFileIfPresent(path).catch(() => undefined);
}

/** Version 4 and variant of RFC 9562, which all ids of systemd have. @param bytes 16 of them */
function asUuid(bytes: Buffer): string {
  const uuid = Buffer.from(bytes);
  uuid[6] = (uuid[6]! & 0x0f) | 0x40;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return uuid.toString('hex');
}
