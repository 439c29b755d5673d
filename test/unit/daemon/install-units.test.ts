/** The service's files put into an empty root, again, and over what somebody has changed. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { installUnitsCommand } from '../../../src/cli/install-units.js';
import {
  findExecStart,
  formatDockerOptionsFile,
  isSealed,
  seal,
  UNIT_FILES,
} from '../../../src/daemon/unit-files.js';

const SERVICE = '/etc/systemd/system/selvedge.service';
const DOCKER = '/usr/lib/systemd/system/docker.service';
const OPTIONS = '/etc/systemd/system/docker.service.d/zz-selvedge-options.conf';

function makeRoot(t: Test, files: Readonly<Record<string, string>> = {}) {
  const root = mkdtempSync(join(tmpdir(), 'selvedge-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return {
    root,
    read: (path: string) =>
      existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : undefined,
    write: (path: string, text: string) => writeFileSync(join(root, path), text),
  };
}

async function install(t: Test, ...words: string[]) {
  const stdout = t.capture(process.stdout, 'write', () => true);
  const stderr = t.capture(process.stderr, 'write', () => true);
  await installUnitsCommand().parseAsync(words, { from: 'user' });
  const text = (of: typeof stdout) =>
    of()
      .map(({ args }) => String(args[0]))
      .join('');
  const result = { out: text(stdout), err: text(stderr), code: process.exitCode };
  stdout.restore();
  stderr.restore();
  process.exitCode = 0;
  return result;
}

t.test('an empty root, twice', async t => {
  const { root, read } = makeRoot(t);
  const dry = await install(t, '--root', root, '--dry-run');
  t.match(dry, { code: 0, out: `would write  ${SERVICE}` });
  t.equal(read(SERVICE), undefined, 'nothing is written');
  const first = await install(t, '--root', root);
  t.match(first, { code: 0, err: '', out: /^written {6}/ });
  t.match(first.out, /note: docker.service is not there/);
  t.match(first.out, /systemctl --root=.* enable selvedge\n/);
  t.notMatch(first.out, /--now|restart/, 'which would act on this host');
  for (const [source, target] of UNIT_FILES) {
    const packaged = readFileSync(new URL(`../../../../systemd/${source}`, import.meta.url), 'utf8');
    t.equal(read(target), seal(packaged), target);
  }
  const second = await install(t, '--root', root);
  t.equal(second.code, 0);
  t.notMatch(second.out, /written/);
});

t.test('what somebody has changed is kept, what an earlier version wrote is replaced', async t => {
  const { root, read, write } = makeRoot(t);
  await install(t, '--root', root);
  const changed = read(SERVICE)!.replace('WatchdogSec=30', 'WatchdogSec=60');
  write(SERVICE, changed);
  write(UNIT_FILES[2]![1], seal('# an earlier version\n'));
  const { out, code } = await install(t, '--root', root);
  t.equal(code, 1);
  t.match(
    out,
    `kept         ${SERVICE} (you have changed it; the new one is beside it, ${SERVICE}.selvedge-new)`,
  );
  t.equal(read(SERVICE), changed);
  t.match(read(`${SERVICE}.selvedge-new`), 'WatchdogSec=30');
  t.match(read(UNIT_FILES[2]![1]), 'u selvedge');
  t.equal(isSealed(changed), false);
});

t.test("Docker's command line gets the options, once", async t => {
  const unit = '[Service]\nExecStart=/usr/bin/dockerd -H fd:// \\\n  --debug\nExecReload=/bin/kill\n';
  const { root, read } = makeRoot(t, {
    [DOCKER]: unit,
    '/etc/docker/daemon.json': '{"bip": "172.17.0.1/16", "debug": true}',
  });
  const { out } = await install(t, '--root', root);
  t.match(
    read(OPTIONS),
    '[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -H fd://    --debug $DOCKER_NETWORK_OPTIONS\n',
  );
  t.match(out, 'note: /etc/docker/daemon.json gives "bip"');
  const again = await install(t, '--root', root);
  t.notMatch(again.out, /written/, 'our own drop-in is not read back');
});

t.test('whose command line counts', async t => {
  const table: readonly (readonly [texts: readonly string[], found: string | undefined])[] = [
    [['ExecStart=/a'], '/a'],
    [['ExecStart=/a', 'ExecStart=\nExecStart=/b'], '/b'],
    [['ExecStart=/a', 'ExecStart='], undefined],
    [['#ExecStart=/a\nExecStartPre=/c'], undefined],
    [[' ExecStart = /a --x=1'], '/a --x=1'],
  ];
  for (const [texts, found] of table) t.equal(findExecStart(texts), found, texts.join('; '));
  for (const taken of ['$DOCKER_NETWORK_OPTIONS', '${DOCKER_NETWORK_OPTIONS}'])
    t.equal(formatDockerOptionsFile(`/usr/bin/dockerd ${taken}`), undefined);
});
