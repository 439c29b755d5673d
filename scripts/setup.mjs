/**
 * Makes a fresh clone fit to run: Node's release, npm packages, Debian packages, the build.
 *
 * The other scripts call these functions; `node scripts/setup.mjs` alone installs the npm packages. Nothing here may
 * import a package: none is there yet.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's directory. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

const OLDEST_NODE = 20;

/** Something the person at the keyboard has to mend: printed as one line, without a stack. */
export class SetupError extends Error {}

/** Prints a line about what is being done, apart from the real output. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** Ends the process like a shell would: the message of a SetupError alone, all else with its stack. */
export async function main(body) {
  try {
    process.exitCode = await body();
  } catch (error) {
    say(error instanceof SetupError ? error.message : error.stack);
    process.exitCode = 2;
  }
}

/**
 * Runs a command to its end.
 * @param {{env?: NodeJS.ProcessEnv, quiet?: boolean}} options `quiet` keeps the output for the result
 * @returns {Promise<{code: number, output: string}>} code 127 when the program does not exist
 */
export function run(argv, { env = process.env, quiet = false } = {}) {
  const [program, ...args] = argv;
  return new Promise(resolve => {
    const child = spawn(program, args, {
      cwd: ROOT,
      env,
      stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    });
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', text => (output += text));
    child.stderr?.setEncoding('utf8').on('data', text => (output += text));
    child.on('error', error => resolve({ code: 127, output: error.message }));
    child.on('close', code => resolve({ code: code ?? 1, output }));
  });
}

/** Checks Node's release and installs the npm packages when they are not the ones of package-lock.json. */
export async function ensureNpmPackages() {
  if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
    throw new SetupError(`Node ${OLDEST_NODE} or newer is needed; this is ${process.version}.`);
  }
  if (npmPackagesFit()) return;
  say('Installing the npm packages of package-lock.json (npm ci) …');
  const { code, output } = await run(['npm', 'ci', '--include=dev', '--no-audit', '--no-fund'], {
    quiet: true,
  });
  if (code !== 0) throw new SetupError(`npm ci failed with exit code ${code}:\n${output.trimEnd()}`);
}

/**
 * Compares package-lock.json with the record that npm keeps of what it installed. Unlike a stamp of ours this also
 * knows what somebody installed by hand, `npm ci --ignore-scripts` for one.
 */
function npmPackagesFit() {
  const wanted = readPackages(join(ROOT, 'package-lock.json'));
  const installed = readPackages(join(ROOT, 'node_modules', '.package-lock.json'));
  return Object.entries(wanted).every(([path, { version, integrity, optional, link }]) => {
    // The project itself is no package; an optional one may be made for another machine.
    if (path === '' || optional || link) return true;
    return installed[path]?.version === version && installed[path].integrity === integrity;
  });
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch (error) {
    if (error.code === 'ENOENT') return {};
    throw error;
  }
}

/**
 * Compiles with one of the tsconfig files, named by itself or by its directory; quick when nothing has changed.
 * @returns {Promise<string>} what the compiler complains of, empty when all is well
 */
export async function compile(tsconfig) {
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { code, output } = await run([process.execPath, compiler, '-p', tsconfig], { quiet: true });
  return code === 0 ? '' : output.trimEnd() || `tsc failed with exit code ${code}`;
}

/**
 * Makes `dist/`: the command, and the page that its agent serves to browsers. Types are checked of the page alone; of all
 * else `npm run types` does that, and whoever compiles the tests.
 * @returns {Promise<string>} what there is to complain of, empty when all is well
 */
export async function build() {
  if (!existsSync(join(ROOT, 'node_modules', 'esbuild')))
    throw new SetupError('esbuild is missing: run npm ci, with the packages for development.');
  const { bundle } = await import('./bundle.mjs');
  const complaints = await Promise.all([bundle(ROOT), compile('src/page')]);
  return complaints.filter(text => text !== '').join('\n');
}

/**
 * Makes `dist/`, and `.build/` where that is wanted too.
 * @param {{tests?: boolean}} options `tests`: the tests and benches as well
 * @throws SetupError with what there is to complain of
 */
export async function mustBuild({ tests = false } = {}) {
  for (const step of [build, ...(tests ? [() => compile('tsconfig.test.json')] : [])]) {
    const complaints = await step();
    if (complaints !== '') throw new SetupError(`The build failed:\n${complaints}`);
  }
}

/** Runs Node in our place: signals go to it, its exit code becomes ours. */
export function passThrough(argv) {
  const child = spawn(process.execPath, argv, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async () => {
    await ensureNpmPackages();
    return 0;
  });
}
