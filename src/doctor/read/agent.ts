/** Asks the agent of the instance, and tells one that hangs from none. Effects. */
import { readdir, stat } from 'node:fs/promises';
import { isLocked } from '../../daemon/lock.js';
import type { AgentOptions } from '../../daemon/options.js';
import { instanceOfSocket } from '../../daemon/socket-path.js';
import type { StatusDocument } from '../../daemon/status.js';
import type { AgentFact } from '../facts.js';

/** Why an agent could not be asked. */
export interface Unreachable {
  readonly seen: string;
  readonly cause: string;
  readonly next: string;
  /** The system's word, such as `EACCES`. */
  readonly code?: string | undefined;
}

/** Asks whoever listens at a control socket. It never rejects. */
export type AskAgent = (
  socketPath: string,
) => Promise<{ readonly status: StatusDocument } | { readonly unreachable: Unreachable }>;

/** @throws Error when it cannot be told, for want of permission */
export async function readAgent(options: AgentOptions, ask: AskAgent): Promise<AgentFact> {
  const { instance, socketPath, runDir } = options;
  const answer = await ask(socketPath);
  if ('status' in answer) {
    const { status } = answer;
    const process = await stat(`/proc/${status.agent.pid}`).catch(() => undefined);
    return { kind: 'answers', status, uid: process?.uid };
  }
  const { seen, cause, next, code } = answer.unreachable;
  if (code === 'EACCES') throw new Error(`${seen}: ${cause}`);
  if (await isLocked(`instance ${instance}`)) {
    const elsewhere = code === 'ENOENT' ? 'it has another --run-dir, or somebody removed its socket' : cause;
    return {
      kind: 'silent',
      seen: `an agent of the instance ${instance} runs, and ${seen}`,
      cause: elsewhere,
      next,
    };
  }
  const sockets = await readdir(runDir).catch(() => []);
  const others = sockets.map(instanceOfSocket).filter(name => name !== undefined && name !== instance);
  return { kind: 'down', otherInstances: others.filter(name => name !== undefined) };
}
