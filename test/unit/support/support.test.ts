/** The support archive: nothing secret in it wherever it was planted, and everything else accounted for. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { findIn } from '../../../src/dataplane/firewall/programs.js';
import { writeArchive } from '../../../src/support/archive.js';
import { collect } from '../../../src/support/collect.js';
import { gatherFiles } from '../../../src/support/gather.js';
import { runLimited } from '../../../src/support/run.js';
import { secretsIn, withoutValues } from '../../../src/support/variables.js';

const PASSWORD = 'Hunter2/of:etcd';
const TYPED = 'Typed4+secret';
const FOREIGN = 'Foreign6value';
const NAMED = 'Named8token';
const EXPORTED = 'Exported5secret';
const SPACED = 'Spaced 7 secret';
const SECRETS = [PASSWORD, TYPED, FOREIGN, NAMED, EXPORTED, SPACED];

/** What stands in every output: secrets that are known by their value, and one that names itself. */
const PLANTED = `10.5.2.0/24 dev flannel.1 ${PASSWORD} "x-token": "${NAMED}" --etcd-password ${TYPED}
${EXPORTED} ${SPACED}
http://root:${encodeURIComponent(PASSWORD)}@10.0.0.1 ${Buffer.from(PASSWORD).toString('base64')}`;

const PROGRAMS = [
  'ip',
  'bridge',
  'nft',
  'iptables-nft-save',
  'sysctl',
  'systemctl',
  'journalctl',
  'ss',
  'selvedge',
];

interface Planted {
  readonly root: string;
  readonly bin: string;
}

/** A host on which everything that is read tells secrets. */
function plant(t: Test): Planted {
  const root = t.testdir();
  const bin = join(root, 'bin');
  const write = (path: string, text: string, mode = 0o600) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    chmodSync(join(root, path), mode);
  };
  write('planted', PLANTED);
  for (const name of PROGRAMS) {
    write(`bin/${name}`, `#!/bin/sh\ncat ${root}/planted\ncat ${root}/planted >&2\n`, 0o755);
  }
  write('bin/nstat', '#!/bin/sh\necho "no permission" >&2\nexit 1\n', 0o755);
  write('etc/selvedge/password', `${PASSWORD}\n`);
  write(
    'etc/default/selvedge',
    [
      '# the etcd of this rack',
      'SELVEDGE_ETCD_ENDPOINTS=http://10.0.0.1:2379',
      'SELVEDGE_ETCD_PASSWORD_FILE=/etc/selvedge/password',
      `SELVEDGE_OPTIONS="--iface=eth1 --etcd-password=${TYPED}"`,
      `LICENCE=${FOREIGN}`,
      `export OTHER='${FOREIGN}'`,
      `stray ${FOREIGN}`,
    ].join('\n'),
  );
  write('etc/sysconfig/flanneld', `export FLANNELD_ETCD_PASSWORD=${EXPORTED}\n`);
  write('etc/sysconfig/selvedge', `SELVEDGE_OPTIONS="-etcd-password '${SPACED}'"\n`);
  write('etc/docker/daemon.json', JSON.stringify({ mtu: 1450, 'registry-token': NAMED, note: PASSWORD }));
  write('var/lib/selvedge/net/state.json', JSON.stringify({ subnet: '10.5.34.0/24', secret: NAMED }));
  write('run/flannel/subnet.env', 'FLANNEL_SUBNET=10.5.34.1/24\n');
  return { root, bin };
}

function gather({ root, bin }: Planted) {
  return gatherFiles({
    root,
    environment: { SELVEDGE_ETCD_PASSWORD: PASSWORD, PATH: process.env.PATH },
    findProgram: findIn([bin]),
    selvedge: [join(bin, 'selvedge')],
    stateDir: '/var/lib/selvedge',
    choice: [],
    now: new Date('2026-01-01T00:00:00Z'),
    host: 'node7',
  });
}

t.test('no planted secret is in the archive, and what matters is', async t => {
  const planted = plant(t);
  const path = join(planted.root, 'support.tar.gz');
  await writeArchive(path, 'selvedge-support', () => gather(planted));
  t.equal((statSync(path).mode & 0o777).toString(8), '600');
  const unpacked = join(planted.root, 'unpacked');
  mkdirSync(unpacked);
  execFileSync('tar', ['-x', '-z', '-f', path, '-C', unpacked]);
  const read = (name: string) => readFileSync(join(unpacked, 'selvedge-support', name), 'utf8');
  const names = readdirSync(unpacked, { recursive: true, withFileTypes: true }).filter(entry =>
    entry.isFile(),
  );
  for (const { name, parentPath } of names) {
    const text = readFileSync(join(parentPath, name), 'utf8');
    for (const secret of SECRETS) {
      const forms = [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')];
      for (const form of forms) t.notOk(text.includes(form), `${form} in ${name}`);
    }
  }
  t.match(read('network/routes.json'), /^10\.5\.2\.0\/24 dev flannel\.1 \[removed\]/);
  t.match(read('files/var/lib/selvedge/net/state.json'), '{"subnet":"10.5.34.0/24","secret":"[removed]"}');
  t.equal(read('files/run/flannel/subnet.env'), 'FLANNEL_SUBNET=10.5.34.1/24\n');
  t.equal(
    read('files/etc/default/selvedge'),
    [
      '# the etcd of this rack',
      'SELVEDGE_ETCD_ENDPOINTS=http://10.0.0.1:2379',
      'SELVEDGE_ETCD_PASSWORD_FILE=/etc/selvedge/password',
      'SELVEDGE_OPTIONS="--iface=eth1 --etcd-password=[removed]"',
      'LICENCE=[removed]',
      'export OTHER=[removed]',
      '[removed]',
    ].join('\n'),
  );
  const index = read('index.txt');
  t.match(index, /^selvedge \S+, Node v\S+, Linux .*, host node7\n/);
  t.match(index, /\n {2}network\/counters\.json\n {4}nstat .*\n {4}because: exit code 1: no permission\n/);
  t.match(
    index,
    /\n {2}firewall\/iptables-legacy\.txt\n.*\n {4}because: iptables-legacy-save is not installed\n/,
  );
  t.match(index, /\n {2}files\/etc\/default\/docker\n.*\n {4}because: ENOENT/);
});

t.test(
  'a command of ours gets no variable of the unit, which would be stronger than the unit’s command line',
  async t => {
    const planted = plant(t);
    writeFileSync(join(planted.bin, 'selvedge'), '#!/bin/sh\necho "endpoints $SELVEDGE_ETCD_ENDPOINTS"\n');
    const doctor = (await gather(planted)).find(({ name }) => name === 'doctor.txt');
    t.equal(doctor?.text, 'endpoints \n');
  },
);

t.test('a file that is there is not written over, and nothing is gathered for it', async t => {
  const directory = t.testdir({ 'old.tar.gz': 'precious' });
  const path = join(directory, 'old.tar.gz');
  const never = () => Promise.reject(new Error('it was gathered all the same'));
  const message = /cannot write .*EEXIST.*--output/;
  await t.rejects(writeArchive(path, 'x', never), { name: 'OperatorError', message });
  t.equal(readFileSync(path, 'utf8'), 'precious');
  await t.rejects(writeArchive(join(directory, 'none', 'x.tar.gz'), 'x', never), {
    name: 'OperatorError',
    message: /cannot write .*ENOENT.*--output/,
  });
});

t.test('whoever interrupts the gathering finds no empty file', async t => {
  const path = join(t.testdir(), 'new.tar.gz');
  const gather = () => Promise.reject(new Error('interrupted'));
  await t.rejects(writeArchive(path, 'x', gather), { message: 'interrupted' });
  t.notOk(existsSync(path));
});

t.test('pieces are had a few at a time, and stand in their own order', async t => {
  const bin = t.testdir();
  // The first one ends when the third has begun.
  const write = (name: string, text: string) =>
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\necho ${name}\n`, { mode: 0o755 });
  write('one', `until [ -e ${bin}/begun ]; do sleep 0.05; done`);
  write('two', 'true');
  write('three', `touch ${bin}/begun`);
  const pieces = ['one', 'two', 'three'].map(name => ({
    ...{ name, source: { kind: 'program', argv: [name] } as const },
  }));
  const parts = { root: '/', findProgram: findIn([bin]), selvedge: ['x'] as const, environment: {} };
  const collected = await collect(pieces, { ...parts, clean: text => text });
  t.strictSame(
    collected.map(({ name, text, remark }) => [name, text, remark]),
    pieces.map(({ name }) => [name, `${name}\n`, '']),
  );
});

t.test('a program that does not end, or says too much', async t => {
  const run = (script: string, milliseconds: number, bytes: number) =>
    runLimited('/bin/sh', ['-c', script], {}, { milliseconds, bytes });
  t.match(await run('echo begun; sleep 600 & wait', 5_000, 100), {
    isLate: true,
    code: null,
    stdout: 'begun\n',
  });
  t.match(await run('printf 1234567890; exit 3', 60_000, 4), { isCut: true, code: 3, stdout: '1234' });
  await t.rejects(runLimited('/nowhere', [], {}, { milliseconds: 1_000, bytes: 1 }), { code: 'ENOENT' });
});

t.test('variables', async t => {
  t.equal(
    withoutValues('A=1\n\n# a comment\n#B=2\nDOCKER_OPT_MTU="--mtu=1450"'),
    'A=[removed]\n\n# a comment\n[removed]\nDOCKER_OPT_MTU="--mtu=1450"',
  );
  const found = secretsIn(
    new Map([
      ['FLANNELD_ETCD_PASSWORD', 'a'],
      ['FLANNEL_OPTIONS', `-etcd-password b --etcd-password-file=/p --etcd-password='c'`],
      ['X_PASSWORD_FILE', '/q'],
      ['PWD', '/root'],
    ]),
  );
  t.strictSame(found, { values: ['a', 'b', 'c'], files: ['/p', '/q'] });
});
