/** Where the agent and the commands that ask it meet. Pure. */
import { posix } from 'node:path';

export const DEFAULT_RUN_DIR = '/run/selvedge';

/** Longest path of a unix socket in bytes: sun_path is 108 with the closing zero (unix(7)). */
export const LONGEST_SOCKET_PATH = 107;

const SUFFIX = '.sock';

/** The control socket of an instance. */
export function socketPathOf(runDir: string, instance: string): string {
  return posix.join(runDir, instance + SUFFIX);
}

/** The instance whose control socket has this file name, or undefined for any other file. */
export function instanceOfSocket(fileName: string): string | undefined {
  return fileName.endsWith(SUFFIX) ? fileName.slice(0, -SUFFIX.length) : undefined;
}
