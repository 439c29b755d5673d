/** What `npm pack` leaves: a command that needs nothing of this clone but the packages with binaries. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const MODULES = join(ROOT, 'node_modules');
const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly dependencies: Readonly<Record<string, string>>;
};
/** With what `netlink` needs to find its own. */
const NATIVE = ['koffi', 'netlink', 'node-gyp-build'];
const UTF8 = { encoding: 'utf8' } as const;

/** @returns where the packed files are */
function unpack(t: Test, packages: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'selvedge-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', directory];
  const file = execFileSync('npm', pack, { cwd: ROOT, ...UTF8 }).trim();
  execFileSync('tar', ['-xzf', join(directory, file), '-C', directory]);
  const unpacked = join(directory, 'package');
  mkdirSync(join(unpacked, 'node_modules'));
  for (const name of packages) symlinkSync(join(MODULES, name), join(unpacked, 'node_modules', name));
  return unpacked;
}

t.test('the packed command works without the packages that are in its bundle', async t => {
  const main = join(unpack(t, NATIVE), 'dist', 'cli', 'main.js');
  const run = (...args: string[]) => spawnSync(main, args, UTF8);
  t.match(run('version'), { status: 0, stdout: /^selvedge \d/ });
  t.match(run('agent', '--help'), { status: 0, stdout: /--etcd-endpoints/ });
  // Nobody listens on port 1, but to say so takes all that speaks to etcd.
  const leases = run('leases', '--etcd-endpoints', 'http://127.0.0.1:1');
  t.match(leases, { status: 2, stderr: /127\.0\.0\.1:1/ });
});

t.test('the package has the licences of what is in its bundle', async t => {
  const unpacked = unpack(t, []);
  const licences = readFileSync(join(unpacked, 'dist', 'licenses.txt'), 'utf8');
  const bundled = Object.keys(dependencies).filter(name => !NATIVE.includes(name));
  for (const name of bundled) t.match(licences, new RegExp(`^${name} \\d.* \\(\\S+\\)$`, 'm'), name);
  t.match(licences, /^@grpc\/grpc-js \d.* \(Apache-2\.0\)$/m);
});
