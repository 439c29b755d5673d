/** Packs the files of a support archive with the system's `tar`. Effects. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, open, rm, unlink, writeFile, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, OperatorError } from '../daemon/operator-error.js';

export interface ArchivedFile {
  /** Path in the archive, below its only directory. */
  readonly name: string;
  readonly text: string;
}

/**
 * Writes a tar.gz into a new file that only its owner may read.
 * @param name of the directory that holds all in the archive
 * @param gather is asked once it is known that the file can be had
 * @throws OperatorError when the file is there already or cannot be written, or when there is no tar
 */
export async function writeArchive(
  path: string,
  name: string,
  gather: () => Promise<readonly ArchivedFile[]>,
): Promise<void> {
  // Whoever has enough of waiting and interrupts it leaves no empty file behind.
  await (await openNew(path)).close();
  await unlink(path);
  const files = await gather();
  const opened = await openNew(path);
  try {
    await packInto(opened.createWriteStream(), name, files);
  } catch (error) {
    await unlink(path);
    throw error;
  }
}

async function openNew(path: string): Promise<FileHandle> {
  return open(path, 'wx', 0o600).catch((error: unknown) => {
    throw new OperatorError(`cannot write ${path}: ${messageOf(error)}; name another file with --output`, {
      cause: error,
    });
  });
}

/** Writes the same to a stream, and ends it. */
export async function packInto(
  output: Writable,
  name: string,
  files: readonly ArchivedFile[],
): Promise<void> {
  // Of mode 0700, and nothing with a secret in it goes there.
  const directory = await mkdtemp(join(tmpdir(), 'selvedge-support-'));
  try {
    for (const file of files) {
      const path = join(directory, name, file.name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, file.text, { mode: 0o600 });
    }
    await tar(directory, name, output);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function tar(directory: string, name: string, output: Writable): Promise<void> {
  const child = spawn('tar', ['-c', '-z', '-f', '-', '-C', directory, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  });
  const [code] = await Promise.all([ended, pipeline(child.stdout, output)]).catch((error: unknown) => {
    throw new OperatorError(`cannot pack the archive with tar: ${messageOf(error)}`, { cause: error });
  });
  if (code !== 0)
    throw new OperatorError(`cannot pack the archive: tar ended with exit code ${code ?? 'none'}`);
}
