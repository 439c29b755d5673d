/** Runs nft and iptables: argument arrays and standard input, never a shell. */
import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { FirewallError } from './firewall.js';

/** As long as another program may hold the lock of legacy iptables, and more. */
const LONGEST_RUN_MS = 15_000;
/** Of what a program complains of. */
const MOST_COMPLAINT_CHARACTERS = 400;

/** sbin is not in every service's PATH. */
const DIRECTORIES = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin'].filter(
  directory => directory.startsWith('/'),
);

/** Finds an installed program by its name. @returns its path, or undefined when it is not installed */
export type FindProgram = (name: string) => Promise<string | undefined>;

/** @param directories absolute, the first one wins */
export function findIn(directories: readonly string[]): FindProgram {
  return async name => {
    for (const directory of directories) {
      const path = join(directory, name);
      const isThere = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (isThere) return path;
    }
    return undefined;
  };
}

/** In PATH and in the directories of system administration. */
export const findInstalled = findIn(DIRECTORIES);

/**
 * Runs a program to its end.
 * @param path of the program
 * @param input for its standard input
 * @returns its standard output
 * @throws FirewallError when it cannot be started, does not end in time, or ends with another code than 0
 */
export function runProgram(path: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const name = [path, ...args].join(' ');
    const child = spawn(path, args, {
      env: { PATH: DIRECTORIES.join(':'), LC_ALL: 'C' },
      stdio: 'pipe',
      timeout: LONGEST_RUN_MS,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    // One that ends without reading its input says so by its code.
    child.stdin.on('error', () => undefined).end(input);
    child.on('error', ({ message }) => reject(new FirewallError(`${name}: ${message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(stdout);
      else reject(new FirewallError(`${name}: ${endOf(code, signal)}${complaint(stderr)}`));
    });
  });
}

function endOf(code: number | null, signal: NodeJS.Signals | null): string {
  return code === null ? `ended by ${signal ?? 'a signal'}` : `exit code ${code}`;
}

/** In one line, for logs and status. */
function complaint(stderr: string): string {
  const words = stderr.trim().replace(/\s+/g, ' ');
  return words === '' ? '' : `: ${words.slice(0, MOST_COMPLAINT_CHARACTERS)}`;
}
