/**
 * Makes the command out of its sources: `dist/cli/main.js`, and beside it a file for each part that is loaded when it is
 * needed. Six hundred modules of ours and of packages become a few dozen files, for an agent's start is mostly the
 * finding and reading of modules.
 *
 * What is as before is left untouched: agents and tests may be starting from these files right now.
 */
import { Buffer } from 'node:buffer';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Their binaries are found beside their own files. */
const NATIVE_PACKAGES = ['koffi', 'netlink', 'raw-socket'];

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
  try {
    const { outputFiles, metafile } = await build({
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
    files.set(join(dist, 'licenses.txt'), Buffer.from(licensesOf(root, Object.keys(metafile.inputs))));
    for (const [path, contents] of files) writeIfChanged(path, contents);
    const kept = new Set([...files.keys(), ...['cli', 'proto', 'web'].map(name => join(dist, name))]);
    for (const directory of ['', 'cli', 'proto']) removeOthers(join(dist, directory), kept);
    return '';
  } catch (error) {
    if (error.errors === undefined) throw error;
    return (await formatMessages(error.errors, { kind: 'error' })).join('').trimEnd();
  }
}

/** The licences of the packages that are in the bundle, which have to go with it. */
function licensesOf(root, inputs) {
  const directories = new Set();
  for (const input of inputs) {
    const [, directory] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input) ?? [];
    if (directory !== undefined) directories.add(directory);
  }
  const parts = [...directories].sort().map(directory => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(root, directory, 'package.json'), 'utf8'),
    );
    const texts = readdirSync(join(root, directory)).filter(file => /^(licen[cs]e|notice)/i.test(file));
    const text = texts.map(file => readFileSync(join(root, directory, file), 'utf8').trim()).join('\n\n');
    return `${name} ${version} (${license})\n\n${text}`.trimEnd();
  });
  return `The command contains code of these packages.\n\n${parts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

/** In one step: nobody sees half a file. The command's own can be executed, for a unit starts it by its name. */
function writeIfChanged(path, contents) {
  if (existsSync(path) && readFileSync(path).equals(contents)) return;
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.tmp`;
  writeFileSync(draft, contents, { mode: basename(path) === 'main.js' ? 0o755 : 0o644 });
  renameSync(draft, path);
}

/** Removes what an earlier build has left, but for drafts, which another that runs now may be writing. */
function removeOthers(directory, kept) {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (!kept.has(path) && !name.endsWith('.tmp')) rmSync(path, { recursive: true, force: true });
  }
}
