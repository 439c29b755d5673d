/** What the files of the agent's unit say, beside what an operator types. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import t, { type Test } from 'tap';
import { dockerCheckOptions } from '../../../src/cli/docker-check.js';
import {
  besideUnit,
  directoryBesideUnit,
  resolveBeside,
  runDirOf,
  someBesideUnit,
  unknownToUs,
  type GatheredOptions,
} from '../../../src/cli/unit-options.js';
import type { Environment, GivenFlags } from '../../../src/daemon/options-given.js';
import { resolveAgentOptions, type AgentOptions } from '../../../src/daemon/options.js';

/** Files of the unit, the later ones stronger. */
function unitFiles(t: Test, ...texts: readonly string[]): readonly string[] {
  const directory = t.testdir(Object.fromEntries(texts.map((text, n) => [`${n}`, text])));
  return [...texts.keys()].map(n => join(directory, `${n}`));
}

const resolveAll = (gathered: GatheredOptions) =>
  resolveBeside(gathered, (flags, environment) => resolveAgentOptions(flags, [], environment));

/** What a command gets that takes all options. */
async function optionsBeside(
  files: readonly string[],
  typed: GivenFlags = {},
  own: Environment = {},
): Promise<AgentOptions> {
  const resolved = resolveAll(await besideUnit(typed, own, files));
  if (!resolved.ok) throw new Error(resolved.faults.join());
  return resolved.options;
}

t.test('variables, and the words of a command line, of which the last file counts', async t => {
  const files = unitFiles(
    t,
    'FLANNEL_ETCD_ENDPOINTS=http://10.0.0.1:2379\nFLANNEL_OPTIONS="-iface=eth7 -ip-masq"\n',
    "SELVEDGE_OPTIONS=\"--iface eth1 --iface='eth2' --docker-env-file '/run/a b' --lease-ttl=48h\"\nSELVEDGE_ETCD_PREFIX=/a\n",
    '# SELVEDGE_ETCD_PREFIX=/c\nSELVEDGE_ETCD_PREFIX=/b\n',
  );
  t.match(await optionsBeside(files), {
    etcd: { endpoints: ['http://10.0.0.1:2379'], prefix: '/b' },
    underlay: { interfaces: ['eth7', 'eth1', 'eth2'] },
    dockerEnvFile: '/run/a b',
    ipMasq: true,
    leaseTtlSeconds: 172_800,
  });
});

t.test('they say what they say to systemd', async t => {
  const files = unitFiles(
    t,
    'SELVEDGE_OPTIONS="--etcd-prefix=/b \\\n --iface=eth1"\nexport SELVEDGE_ETCD_ENDPOINTS=http://10.0.0.1:2379\r\n',
    'SELVEDGE_ETCD_USERNAME=bob\nSELVEDGE_ETCD_PASSWORD=a#b\n',
  );
  const { etcd, underlay } = await optionsBeside(files);
  t.match(etcd, { prefix: '/b', endpoints: ['http://127.0.0.1:2379'] });
  t.equal(etcd.password?.reveal(), 'a#b');
  t.same(underlay.interfaces, ['eth1']);
  const { notes } = await besideUnit({}, {}, files);
  t.same(notes, [`${files[0]!}: systemd ignores "export SELVEDGE_ETCD_ENDPOINTS", take "export" away`]);
});

t.test('what is typed is stronger than the environment, and that than all of the unit', async t => {
  const files = unitFiles(t, 'SELVEDGE_OPTIONS="--iface=eth1 --probe-rate=1"\nSELVEDGE_LOG_LEVEL=warn\n');
  const own = { SELVEDGE_PROBE_RATE: '2', SELVEDGE_LOG_LEVEL: 'error' };
  t.match(await optionsBeside(files, { iface: ['eth9'], 'log-level': ['debug'] }, own), {
    underlay: { interfaces: ['eth9'] },
    probeRate: 2,
    logLevel: 'debug',
  });
});

t.test('of another network than the unit’s, its files are not', async t => {
  const unit =
    'SELVEDGE_ETCD_PREFIX=/a\nSELVEDGE_INSTANCE=first\nSELVEDGE_OPTIONS=--subnet-file=/run/x/a.env\n';
  const files = unitFiles(t, unit);
  const theirs = { instance: 'first', subnetFile: '/run/x/a.env', dockerEnvFile: '/run/x/docker' };
  t.match(await optionsBeside(files), theirs);
  t.match(await optionsBeside(files, { 'etcd-prefix': ['/a'] }), theirs, 'it is the same');
  t.match(await optionsBeside(files, { 'etcd-prefix': ['/b'] }), {
    instance: 'b',
    subnetFile: '/run/flannel/subnet.env',
  });
  t.match(await optionsBeside(files, {}, { SELVEDGE_INSTANCE: 'second' }), {
    instance: 'second',
    subnetFile: '/run/flannel/subnet.env',
  });
});

t.test('its own network may be named beside it', async t => {
  const files = unitFiles(t, 'SELVEDGE_ETCD_PREFIX=/a/b\nSELVEDGE_SUBNET_FILE=/run/x/a.env\n');
  const theirs = { instance: 'b', etcd: { prefix: '/a/b' }, subnetFile: '/run/x/a.env' };
  t.match(await optionsBeside(files, { instance: ['b'] }), theirs, 'as its prefix makes it');
  t.match(await optionsBeside(files, { 'etcd-prefix': ['/a//b/'] }), theirs, 'written otherwise');
  t.match(await optionsBeside(files, {}, { SELVEDGE_ETCD_PREFIX: '' }), theirs, 'empty is not given');
  const defaults = unitFiles(t, 'SELVEDGE_INSTANCE=first\n');
  t.match(await optionsBeside(defaults, { 'etcd-prefix': ['/net'] }), { instance: 'first' }, 'the default');
});

t.test('another user has another password', async t => {
  const files = unitFiles(t, 'SELVEDGE_ETCD_USERNAME=bob\nSELVEDGE_ETCD_PASSWORD_FILE=/etc/bob\n');
  t.match(await optionsBeside(files), { etcd: { username: 'bob', passwordFile: '/etc/bob' } });
  const typed = { 'etcd-username': ['root'], 'etcd-password-file': ['/etc/root'] };
  t.match(await optionsBeside(files, typed), { etcd: { username: 'root', passwordFile: '/etc/root' } });
  await t.rejects(optionsBeside(files, { 'etcd-username': ['root'] }), /etcd-password-file/);
  const another = await optionsBeside(files, {}, { SELVEDGE_ETCD_PASSWORD: 'new' });
  t.match(another, { etcd: { username: 'bob', passwordFile: undefined } }, 'and one user may have another');
  t.equal(another.etcd.password?.reveal(), 'new');
});

t.test('a password that the unit sends through TLS is not sent in the clear', async t => {
  const user = 'SELVEDGE_ETCD_USERNAME=bob\nSELVEDGE_ETCD_PASSWORD_FILE=/etc/bob\n';
  const files = unitFiles(t, `SELVEDGE_ETCD_ENDPOINTS=https://10.0.0.1:2379\n${user}`);
  const bob = { username: 'bob', passwordFile: '/etc/bob' };
  const at = async (url: string) => (await optionsBeside(files, { 'etcd-endpoints': [url] })).etcd;
  t.match(await at('https://10.0.0.2:2379'), bob);
  t.match(await at('http://10.0.0.1:2379'), { username: undefined, passwordFile: undefined });
  const typed = { 'etcd-endpoints': ['http://a:1'], 'etcd-username': ['bob'] };
  await t.rejects(optionsBeside(files, typed), /--etcd-username: needs/);
  const open = unitFiles(t, `SELVEDGE_ETCD_ENDPOINTS=http://10.0.0.1:2379\n${user}`);
  t.match((await optionsBeside(open, { 'etcd-endpoints': ['http://a:1'] })).etcd, bob);
});

t.test('another certificate has another key', async t => {
  const files = unitFiles(t, 'SELVEDGE_ETCD_CERTFILE=/etc/c\nSELVEDGE_ETCD_KEYFILE=/etc/k\n');
  await t.rejects(optionsBeside(files, { 'etcd-certfile': ['/etc/d'] }), /needs --etcd-keyfile/);
});

t.test('mistakes in it are named, but not by a command that has other options', async t => {
  const files = unitFiles(
    t,
    'SELVEDGE_TYPO=1\nSELVEDGE_PROBE_RATE=x\nSELVEDGE_OPTIONS="--nonsense --iface"\n',
  );
  for (const mistake of [
    /SELVEDGE_TYPO: unknown/,
    /PROBE_RATE: "x"/,
    /--nonsense: unknown/,
    /--iface: needs a value/,
  ])
    await t.rejects(optionsBeside(files), mistake);
  const some = (names: readonly string[]) => someBesideUnit(new Set(names), {}, { HOME: '/' }, files);
  t.match(await some(['state-dir']), { flags: {}, environment: { HOME: '/' }, faults: [], notes: [] });
  t.same((await some(['iface'])).faults, ['--iface: needs a value']);
});

t.test('who made a mistake is told, and it is the command line’s only when typed', async t => {
  const files = unitFiles(
    t,
    'SELVEDGE_OPTIONS="--state-dir=x --nonsense"\n',
    'SELVEDGE_IP_MASQ=1\n',
    'nothing',
  );
  const place = `(${files[0]!} or ${files[1]!})`;
  const theirs = [
    `--state-dir: "x" must be the absolute path of a directory below / ${place}`,
    `--nonsense: unknown option ${place}`,
  ];
  t.same(resolveAll(await besideUnit({}, {}, files)), { ok: false, faults: theirs, source: 'environment' });
  const typo = { SELVEDGE_TYPO: '1' };
  const own = resolveAll(await besideUnit({}, typo, files));
  t.same(own, { ok: false, faults: ['SELVEDGE_TYPO: unknown option', ...theirs], source: 'environment' });
  const typed = resolveAll(await besideUnit({ 'probe-rate': ['x'] }, {}, files));
  t.match(typed, { source: 'command line' });
  t.match(!typed.ok && typed.faults, [theirs[0], /^--probe-rate: "x" must be [^()]*$/, theirs[1]]);
});

t.test('a file that cannot be read is told, one that is not there is not', async t => {
  const [file, directory] = unitFiles(t, 'SELVEDGE_INSTANCE=a\n', '');
  const unreadable = `${directory!}.d`;
  mkdirSync(unreadable);
  const { environment, notes } = await besideUnit({}, {}, [unreadable, `${file!}.none`, file!]);
  t.same(environment, { SELVEDGE_INSTANCE: 'a' });
  t.match(notes, [new RegExp(`^options in ${unreadable} are not known: .*EISDIR`)]);
  const noise = unitFiles(t, '\0\xff=\nSELVEDGE_OPTIONS="\'"\n');
  t.match(await besideUnit({}, {}, noise), { flags: {}, notes: [] }, 'noise does no harm');
});

t.test('directories, and what says nothing of them', async t => {
  const empty = unitFiles(t, 'SELVEDGE_RUN_DIR=\n');
  t.equal(await directoryBesideUnit('run-dir', {}, empty), '/run/selvedge');
  const files = unitFiles(t, 'SELVEDGE_RUN_DIR=/run/a\nSELVEDGE_OPTIONS="--run-dir /run/b --probe-rate=x"\n');
  t.equal(await directoryBesideUnit('run-dir', {}, files), '/run/b');
  t.equal(await directoryBesideUnit('run-dir', { SELVEDGE_RUN_DIR: '/run/c' }, files), '/run/c');
  const runDir = async (own: string | undefined, ...words: string[]) => {
    const name = 'SELVEDGE_RUN_DIR';
    if (own === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = own;
    const command = new Command().addOption(new Option('--run-dir <dir>').default('/run/selvedge').env(name));
    command.parse(words, { from: 'user' });
    Reflect.deleteProperty(process.env, name);
    return runDirOf(command, files);
  };
  t.equal(await runDir(undefined), '/run/b');
  t.equal(await runDir(''), '/run/b');
  t.equal(await runDir('/run/c'), '/run/c');
  t.equal(await runDir('/run/c', '--run-dir=/run/selvedge'), '/run/selvedge');
});

t.test('docker-check judges the file that Docker reads, by the state that the agent keeps', async t => {
  const files = unitFiles(t, 'SELVEDGE_DOCKER_ENV_FILE=/run/x/docker\nSELVEDGE_STATE_DIR=/var/x\n');
  const theirs = { options: { dockerEnvFile: '/run/flannel/docker', stateDir: '/var/x' } };
  t.match(await dockerCheckOptions({}, {}, files), theirs);
  const typed = { 'docker-env-file': ['/run/y/docker'] };
  t.match(await dockerCheckOptions(typed, {}, files), { options: { dockerEnvFile: '/run/y/docker' } });
});

t.test('who changes something names what a file may say that cannot be read', async t => {
  const [unreadable] = [`${unitFiles(t, 'SELVEDGE_INSTANCE=a\n')[0]!}.d`];
  mkdirSync(unreadable);
  const doubts = async (files: readonly string[], typed: GivenFlags = {}, own: Environment = {}) =>
    unknownToUs(await besideUnit(typed, own, files), ['etcd-endpoints', 'etcd-prefix']);
  t.same(await doubts([]), []);
  t.match(await doubts([unreadable]), [
    new RegExp(`^--etcd-endpoints: has to be given, since ${unreadable} cannot be read$`),
    /^--etcd-prefix: /,
  ]);
  t.match(await doubts([unreadable], { 'etcd-prefix': ['/net'] }), [/^--etcd-endpoints: /]);
  const own = { FLANNELD_ETCD_ENDPOINTS: 'http://10.0.0.1:2379' };
  t.same(await doubts([unreadable], { 'etcd-prefix': ['/net'] }, own), []);
});
