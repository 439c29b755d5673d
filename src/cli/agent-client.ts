/** Asks the agent on this host over its control socket. Effects. */
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { instanceOfSocket, socketPathOf } from '../daemon/socket-path.js';
import { withAddedFields } from './older-status.js';
import { STATUS_VERSION, type StatusDocument } from '../daemon/status.js';

/** For the whole answer. An agent with ten thousand peers on a host with much else to do takes more than two seconds. */
const TIMEOUT_MS = 5_000;
/** Far above the status of 100,000 peers; a socket that is not ours must not fill our memory. */
const MOST_ANSWER_BYTES = 64 * 1024 * 1024;

/** The agent could not be asked: what is seen, the probable cause, the next command to run. */
export class AgentUnreachableError extends Error {
  override readonly name = 'AgentUnreachableError';
  constructor(
    readonly seen: string,
    override readonly cause: string,
    readonly next: string,
    /** The system's word, such as `ENOENT`; undefined when an answer came, or none in time. */
    readonly code?: string,
  ) {
    super([seen, `  cause  ${cause}`, `  next   ${next}`].join('\n'));
  }
}

/**
 * Finds the control socket when the operator named none.
 * @param instance undefined: the only agent on this host
 * @throws AgentUnreachableError when there is none or several to choose from
 */
export async function findSocket(runDir: string, instance: string | undefined): Promise<string> {
  if (instance !== undefined) return socketPathOf(runDir, instance);
  const instances = (await listDirectory(runDir)).map(instanceOfSocket).filter(name => name !== undefined);
  if (instances.length === 1) return socketPathOf(runDir, instances[0]!);
  if (instances.length === 0) {
    throw new AgentUnreachableError(
      `no agent's socket in ${runDir}`,
      'no agent runs on this host, or it has another --run-dir',
      'systemctl status selvedge',
    );
  }
  throw new AgentUnreachableError(
    `several agents in ${runDir}: ${instances.toSorted().join(', ')}`,
    'one per network of this host',
    `selvedge status --instance ${instances.toSorted()[0]!}`,
  );
}

async function listDirectory(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    const failure = error as NodeJS.ErrnoException;
    if (failure.code === 'ENOENT') return [];
    throw new AgentUnreachableError(
      `cannot read ${path}: ${failure.message}`,
      causeOf(failure),
      nextOf(failure),
    );
  }
}

/**
 * Reads the status document.
 * @throws AgentUnreachableError when no sound answer comes within five seconds
 */
export async function readStatus(socketPath: string): Promise<StatusDocument> {
  let text: string;
  try {
    text = await get(socketPath, '/status');
  } catch (error) {
    const failure = error as NodeJS.ErrnoException;
    const seen = `no answer from the agent at ${socketPath}: ${failure.message}`;
    throw new AgentUnreachableError(seen, causeOf(failure), nextOf(failure), failure.code);
  }
  return parseStatus(text, socketPath);
}

function parseStatus(text: string, socketPath: string): StatusDocument {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const version = typeof json === 'object' && json !== null && 'version' in json ? json.version : undefined;
  if (version === STATUS_VERSION) return withAddedFields(json as StatusDocument);
  throw new AgentUnreachableError(
    `the answer at ${socketPath} is no status of version ${STATUS_VERSION}`,
    'the agent that runs is older or newer than this command',
    'selvedge version; then restart the agent',
  );
}

async function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const fail = (error: Error) =>
      reject(signal.aborted ? new Error(`nothing for ${TIMEOUT_MS / 1000} s`) : error);
    const call = request({ socketPath, path, signal, agent: false }, response => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('error', fail);
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MOST_ANSWER_BYTES) response.destroy(new Error('the answer is too long'));
        else chunks.push(chunk);
      });
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`it answered ${response.statusCode ?? 0}: ${text.slice(0, 200).trim()}`));
      });
    });
    call.on('error', fail);
    call.end();
  });
}

function causeOf(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ENOENT':
      return 'the agent does not run';
    case 'ECONNREFUSED':
      return 'the agent died and left its socket behind';
    case 'EACCES':
      return "you are not in the socket's group";
    default:
      return 'the agent hangs, or something else owns the socket';
  }
}

function nextOf(error: NodeJS.ErrnoException): string {
  return error.code === 'EACCES' ? 'sudo selvedge status' : 'systemctl status selvedge';
}
