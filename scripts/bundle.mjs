/**
 * Makes the command out of its sources: `dist/cli/main.js`, and beside it a file for each part that is loaded when it is
 * needed. Six hundred modules of ours and of packages become some seventy files, for an agent's start is mostly the
 * finding and reading of modules.
 *
 * Agents and tests may be starting from these files right now, and another build may be at work: every file is put in
 * place at once, and what only an earlier build needs stays for a while.
 */
import { Buffer } from 'node:buffer';
import {
  chmodSync,
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
import { formatLicenses } from './licenses.mjs';

/** Their binaries are found beside their own files. */
const NATIVE_PACKAGES = ['koffi', 'netlink', 'raw-socket'];

/** What no build has wanted for so long goes. */
const KEEP_MS = 3_600_000;

/** What CommonJS packages take for granted. Node itself gives it to no ES module. */
const COMMON_JS = `
import { createRequire as commonJsRequire } from 'node:module';
import { fileURLToPath as commonJsPath } from 'node:url';
const require = commonJsRequire(import.meta.url);
const __dirname = commonJsPath(new URL('.', import.meta.url));
`.trim();

/**
 * @param {string} root the project's directory
 * @returns {Promise<string>} what there is to complain of, empty when all is well
 */
export async function bundle(root) {
  const { build, formatMessages } = await import('esbuild');
  const dist = join(root, 'dist');
  const main = join(dist, 'cli', 'main.js');
  try {
    const { outputFiles, metafile, warnings } = await build({
      absWorkingDir: root,
      entryPoints: ['src/cli/main.ts'],
      outdir: 'dist/cli',
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      external: NATIVE_PACKAGES,
      banner: { js: COMMON_JS },
      chunkNames: '[name]-[hash]',
      legalComments: 'none',
      logLevel: 'silent',
      metafile: true,
      write: false,
    });
    const files = new Map(outputFiles.map(({ path, contents }) => [path, Buffer.from(contents)]));
    // etcd3 reads its protocol at run time, from ../proto as seen from its own directory.
    const protocols = join(root, 'node_modules', 'etcd3', 'proto');
    for (const name of readdirSync(protocols))
      files.set(join(dist, 'proto', name), readFileSync(join(protocols, name)));
    files.set(join(dist, 'licenses.txt'), Buffer.from(formatLicenses(root, Object.keys(metafile.inputs))));
    // Last of all what loads the others.
    const paths = [...files.keys()].sort((a, b) => Number(a === main) - Number(b === main));
    for (const path of paths) put(path, files.get(path));
    // A unit starts it by its name.
    chmodSync(main, 0o755);
    const kept = new Set([...paths, ...['cli', 'proto', 'web'].map(name => join(dist, name))]);
    for (const directory of ['', 'cli', 'proto']) removeOld(join(dist, directory), kept);
    return (await formatMessages(warnings, { kind: 'warning' })).join('').trimEnd();
  } catch (error) {
    if (error.errors === undefined) throw error;
    return (await formatMessages(error.errors, { kind: 'error' })).join('').trimEnd();
  }
}

/** In one step, so that nobody sees half a file. One that is as it should be is marked as wanted today. */
function put(path, contents) {
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

/** Removes what earlier builds have left, also of those that were broken off. */
function removeOld(directory, kept) {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    const { mtimeMs = Infinity } = statSync(path, { throwIfNoEntry: false }) ?? {};
    if (!kept.has(path) && Date.now() - mtimeMs > KEEP_MS) rmSync(path, { recursive: true, force: true });
  }
}
