/**
 * Makes the command out of its sources: `dist/cli/main.js`, and beside it a file for each part that is loaded when it is
 * needed. Seven hundred modules of ours and of packages become some seventy files, for an agent's start is mostly the
 * finding and reading of modules.
 */
import { Buffer } from 'node:buffer';
import { chmodSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatLicenses } from './licenses.mjs';
import { placeFiles, removeOld } from './place-files.mjs';

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
    placeFiles(files, main);
    // A unit starts it by its name.
    chmodSync(main, 0o755);
    const wanted = new Set([...files.keys(), ...['cli', 'proto', 'web'].map(name => join(dist, name))]);
    for (const directory of ['', 'cli', 'proto']) removeOld(join(dist, directory), wanted);
    return (await formatMessages(warnings, { kind: 'warning' })).join('').trimEnd();
  } catch (error) {
    if (error.errors === undefined) throw error;
    return (await formatMessages(error.errors, { kind: 'error' })).join('').trimEnd();
  }
}
