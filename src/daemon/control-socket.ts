/**
 * The control socket: HTTP over a unix socket, by which commands and monitoring ask the agent. Effects.
 *
 * Reading needs no root, only the socket's group.
 */
import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { makeDirectory } from './files.js';
import { close, createReadServer, jsonAnswer, listen } from './http-server.js';
import { messageOf, OperatorError } from './operator-error.js';
import type { StatusDocument } from './status.js';

const SOCKET_MODE = 0o660;

export interface ControlSocketOptions {
  readonly path: string;
  /** Called for each request. */
  readonly status: () => StatusDocument;
  /** Told of faults that concern no single client, such as no free file descriptors. */
  readonly onError: (error: Error) => void;
}

export interface ControlSocket {
  /** Stops serving, drops the clients and removes the socket's file. */
  close(): Promise<void>;
}

/**
 * Opens the socket, after removing the file of an agent that is dead.
 * @throws OperatorError when an agent answers there, or the path is something else or not writable
 */
export async function openControlSocket(options: ControlSocketOptions): Promise<ControlSocket> {
  const { path, status, onError } = options;
  try {
    await makeDirectory(dirname(path));
    await removeStale(path);
    const server = createReadServer({ '/status': () => jsonAnswer(200, status()) }, onError);
    await listen(server, { path });
    server.on('error', onError);
    await chmod(path, SOCKET_MODE).catch(async (error: unknown) => {
      await close(server);
      throw error;
    });
    return { close: () => close(server) };
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw new OperatorError(`cannot open the control socket ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(ignoreMissing);
  if (found === undefined) return;
  if (!found.isSocket()) throw new OperatorError(`${path} is in the way: it is not a socket; remove it`);
  if (await isAnswered(path)) {
    throw new OperatorError(
      `another agent answers at ${path}: stop it, or give this one another --instance or --run-dir`,
    );
  }
  await unlink(path).catch(ignoreMissing);
}

/** Whether a process listens. Only a refusal proves that none does: a busy one has a full queue (EAGAIN). */
async function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EAGAIN') resolve(true);
      else if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
  });
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}
