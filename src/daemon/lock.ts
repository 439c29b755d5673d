/**
 * One agent per instance, device and network namespace.
 *
 * The lock is a listening unix socket of the abstract namespace (unix(7)): the kernel scopes it to the network
 * namespace, as devices are, and drops it with the process, however that ends. Whoever finds it taken connects and reads
 * who holds it.
 */
import { connect, createServer, type Server } from 'node:net';
import { OperatorError } from './operator-error.js';

export interface Holder {
  readonly pid: number;
  readonly instance: string;
}

const MOST_CONNECTIONS = 8;

/** A taken lock; it also goes with the process. */
export interface Lock {
  release(): void;
}

/**
 * Takes the lock of a name, such as `instance net` or `device flannel.1`.
 * @throws OperatorError that names the holder
 */
export async function takeLock(name: string, holder: Holder): Promise<Lock> {
  const path = pathOf(name);
  try {
    const server = await listen(path, JSON.stringify(holder));
    // The lock must not keep a process alive that has nothing else to do.
    server.unref();
    return { release: () => server.close() };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    const other = await askHolder(path);
    throw new OperatorError(
      `another agent runs on ${name} in this network namespace: ${other}. Stop it first`,
    );
  }
}

/** Whether somebody holds the lock of this name, whether it answers or hangs. Takes nothing, and needs no permission. */
export function isLocked(name: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ path: pathOf(name) });
    const end = (isHeld: boolean) => {
      socket.destroy();
      resolve(isHeld);
    };
    socket
      .on('connect', () => end(true))
      .on('error', ({ code }: NodeJS.ErrnoException) => end(code === 'EAGAIN'));
  });
}

/** In the abstract namespace (unix(7)). */
function pathOf(name: string): string {
  return `\0selvedge ${name}`;
}

/** Anybody may connect to an abstract socket: each gets its answer and no more of our descriptors. */
function listen(path: string, answer: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => {
      socket.on('error', () => socket.destroy());
      socket.end(answer, () => socket.destroy());
    });
    server.maxConnections = MOST_CONNECTIONS;
    server.on('error', reject);
    server.listen({ path }, () => resolve(server));
  });
}

function askHolder(path: string): Promise<string> {
  return new Promise(resolve => {
    const socket = connect({ path });
    let text = '';
    const answer = () => resolve(describeHolder(text));
    socket.setTimeout(1000, () => socket.destroy());
    socket.on('data', data => (text += data.toString()));
    socket.on('error', answer);
    socket.on('close', answer);
  });
}

function describeHolder(text: string): string {
  try {
    const holder = JSON.parse(text) as Partial<Holder>;
    return `instance ${holder.instance ?? 'unknown'}, pid ${holder.pid ?? 'unknown'}`;
  } catch {
    return 'it does not answer';
  }
}
