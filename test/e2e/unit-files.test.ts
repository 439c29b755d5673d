/** The files of systemd/ as systemd judges them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** What the README promises, in systemd's own unit: 0 is nothing left to attack, 10 is no protection at all. */
const MOST_EXPOSURE = 1.8;
const UTF8 = { encoding: 'utf8' } as const;

/** A copy of systemd/ in which the command is one that is there. */
function stage(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'selvedge-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  cpSync(join(ROOT, 'systemd'), directory, { recursive: true });
  for (const file of ['selvedge.service', 'docker.service.d/selvedge.conf']) {
    const path = join(directory, file);
    writeFileSync(path, readFileSync(path, 'utf8').replace(/^(Exec\w+=[-+]*)selvedge /gm, '$1/bin/true '));
  }
  const docker = '[Unit]\nDescription=Docker\n[Service]\nType=notify\nExecStart=/bin/true\n';
  writeFileSync(join(directory, 'docker.service'), docker);
  return directory;
}

function verify(directory: string): string {
  const units = ['selvedge.service', 'docker.service'].map(name => join(directory, name));
  const env = { ...process.env, SYSTEMD_UNIT_PATH: `${directory}:` };
  const { stderr, status } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], {
    env,
    ...UTF8,
  });
  const ours = stderr.split('\n').filter(line => line.includes(directory) || line.startsWith('selvedge'));
  return status === 0 ? ours.join('\n') : `exit code ${status}: ${stderr}`;
}

t.test('systemd-analyze verify has nothing to say', async t => {
  const directory = stage(t);
  t.equal(verify(directory), '');
  // An unknown key is but a warning, so that this would be no proof if it were not read.
  writeFileSync(join(directory, 'docker.service.d', 'odd.conf'), '[Service]\nExecStrat=/bin/true\n');
  t.match(verify(directory), 'ExecStrat');
});

t.test(`systemd-analyze security: at most ${MOST_EXPOSURE}`, async t => {
  const unit = join(stage(t), 'selvedge.service');
  const text = execFileSync('systemd-analyze', ['security', '--offline=yes', '--no-pager', unit], UTF8);
  const exposure = Number(/exposure level for selvedge.service: ([\d.]+)/.exec(text)?.[1]);
  t.ok(exposure <= MOST_EXPOSURE, `exposure ${exposure}`);
});

t.test('sysusers.d and tmpfiles.d make what the unit needs', async t => {
  const directory = stage(t);
  const root = join(directory, 'root');
  for (const name of ['etc', 'run']) mkdirSync(join(root, name), { recursive: true });
  const apply = (program: string, ...args: string[]) =>
    execFileSync(program, ['--root', root, ...args], { stdio: 'pipe' });
  apply('systemd-sysusers', join(directory, 'sysusers.d', 'selvedge.conf'));
  const users = readFileSync(join(root, 'etc', 'passwd'), 'utf8');
  t.match(users, /^selvedge:x:\d+:\d+:Selvedge overlay network agent:/m);
  apply('systemd-tmpfiles', '--create', join(directory, 'tmpfiles.d', 'selvedge.conf'));
  const made = ['run/flannel', 'run/selvedge', 'var/lib/selvedge', 'run/xtables.lock'];
  const modes = execFileSync('stat', ['-c', '%a %n', ...made], { ...UTF8, cwd: root });
  t.equal(modes, '2755 run/flannel\n2755 run/selvedge\n750 var/lib/selvedge\n640 run/xtables.lock\n');
});
