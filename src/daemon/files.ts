/** Files that others read while we write them. Effects. */
import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { messageOf } from './operator-error.js';

const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;

/** @param how `if-absent`: whatever is there stays, also what another process puts there at the same moment */
export type WriteFile = (
  path: string,
  contents: string,
  how?: 'if-absent',
) => Promise<'written' | 'unchanged'>;

/**
 * Puts a file in place in one step: a reader sees the old contents or the new, also after a crash or on a full disk.
 * A file that already has the contents is left alone, so that watchers of it are not woken for nothing.
 * @param path absolute; its directory is made if missing
 * @returns `unchanged` when the file had these contents already, or was there and should stay
 * @throws Error that names the path; the old file is whole and no temporary file is left
 */
export const writeFileAtomically: WriteFile = async (path, contents, how) => {
  try {
    // A file that can't be read can still be replaced; what can't be replaced fails below.
    const present = await readFileIfPresent(path).catch(() => undefined);
    if (present === contents) return 'unchanged';
    const directory = dirname(path);
    // The modes are set apart from the creation, where the process's umask would narrow them.
    if (await makeDirectory(directory)) await chmod(directory, DIRECTORY_MODE);
    const isPut = await put(path, temporaryPath(path), contents, how);
    return isPut ? 'written' : 'unchanged';
  } catch (error) {
    throw new Error(`cannot write ${path}: ${messageOf(error)}`, { cause: error });
  }
};

/**
 * Makes a directory, and those above it. Node's own `recursive` never ends where a new directory "does not exist", as in
 * /proc, and holds one of its threads for ever.
 * @returns whether it was missing
 * @throws NodeJS.ErrnoException EEXIST when a file has the name
 */
export async function makeDirectory(path: string): Promise<boolean> {
  try {
    await mkdir(path, DIRECTORY_MODE);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return false;
    const above = dirname(path);
    if (code !== 'ENOENT' || above === path) throw error;
    await makeDirectory(above);
  }
  try {
    await mkdir(path, DIRECTORY_MODE);
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return true;
}

/** A name that no file has, beside `path`: rename(2) works only within one file system. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
}

/** @returns the contents as UTF-8, or undefined when there is no such file */
export async function readFileIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @returns false when something was there and should stay */
async function put(
  path: string,
  temporary: string,
  contents: string,
  how: 'if-absent' | undefined,
): Promise<boolean> {
  const handle = await open(temporary, 'wx', FILE_MODE);
  try {
    try {
      await handle.writeFile(contents);
      await handle.chmod(FILE_MODE);
      // Without it a crash after the rename could leave an empty file under the final name.
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (how === undefined) await rename(temporary, path);
    else if (!(await linkIfAbsent(temporary, path))) return false;
    return true;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** As link(2): whole or not at all, and never over what is there. */
async function linkIfAbsent(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}
