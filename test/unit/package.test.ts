/** What `npm pack` leaves: a command that needs nothing of this clone but the packages with binaries. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const MODULES = join(ROOT, 'node_modules');
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
  const text = readFileSync(join(unpack(t, []), 'dist', 'licenses.txt'), 'utf8');
  const parts = new Map(
    text.split(/^-{80}$/m).map(part => {
      const [, name = '', rest = ''] = /^(\S+) \d\S* \(.+\)\n\n([^]*)$/m.exec(part) ?? [];
      return [name, rest];
    }),
  );
  for (const name of ['cockatiel', 'commander', 'etcd3', 'pino', 'pino-pretty', 'prom-client', 'zod'])
    t.match(parts.get(name), /Copyright [^]{500}/, name);
  t.match(
    parts.get('@grpc/grpc-js'),
    /^Copyright \d{4} gRPC authors\.$/m,
    'of its files, not of its licence',
  );
  t.match(parts.get('protobufjs'), /^Copyright 2014, Google Inc\./m, 'of a directory in it');
  t.match(parts.get('ip-cidr'), /no text of it/, 'it has none');
  t.notOk(parts.has(''), 'each part begins with its package');
});
