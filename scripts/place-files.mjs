/** Puts the files of a build in place while processes may be starting from those before, and another build may be at work. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** What no build has wanted for so long goes. */
const KEEP_MS = 3_600_000;

/**
 * Every file in one step, so that nobody sees half of it.
 * @param {ReadonlyMap<string, Buffer>} files contents by path
 * @param {string} last the path of what loads the others, and must not do so before they are there
 */
export function placeFiles(files, last) {
  const paths = [...files.keys()].sort((a, b) => Number(a === last) - Number(b === last));
  for (const path of paths) place(path, files.get(path));
}

/** One that is as it should be is marked as wanted today. */
function place(path, contents) {
  if (existsSync(path) && readFileSync(path).equals(contents)) {
    const now = new Date();
    utimesSync(path, now, now);
    return;
  }
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.tmp`;
  writeFileSync(draft, contents);
  renameSync(draft, path);
}

/**
 * Removes from a directory what earlier builds have left, also those that were broken off.
 * @param {ReadonlySet<string>} wanted paths of what stays, however old
 */
export function removeOld(directory, wanted) {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (wanted.has(path)) continue;
    // Another build may have removed it just now.
    const { mtimeMs = Infinity } = statSync(path, { throwIfNoEntry: false }) ?? {};
    if (Date.now() - mtimeMs > KEEP_MS) rmSync(path, { recursive: true, force: true });
  }
}
