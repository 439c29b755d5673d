import { inspect } from 'node:util';
import t from 'tap';
import { FLANNEL_OPTIONS } from '../../../src/daemon/options-flannel.js';
import { resolveAgentOptions, resolveEtcdOptions, type AgentOptions } from '../../../src/daemon/options.js';

type Flags = Record<string, string[]>;
type Env = Record<string, string>;

function faultsOf(flags: Flags, env: Env = {}, unknown: string[] = []): readonly string[] {
  const resolved = resolveAgentOptions(flags, unknown, env);
  return resolved.ok ? [] : resolved.faults;
}

function sourceOf(flags: Flags, env: Env = {}, unknown: string[] = []): string {
  const resolved = resolveAgentOptions(flags, unknown, env);
  return resolved.ok ? 'no fault' : resolved.source;
}

function optionsOf(flags: Flags, env: Env = {}): AgentOptions {
  const resolved = resolveAgentOptions(flags, [], env);
  if (!resolved.ok) throw new Error(resolved.faults.join('\n'));
  return resolved.options;
}

function notesOf(flags: Flags, env: Env = {}): readonly string[] {
  const resolved = resolveAgentOptions(flags, [], env);
  return resolved.ok ? resolved.notes : ['not ok', ...resolved.faults];
}

t.test('with nothing given, the defaults', async t => {
  t.same(resolveAgentOptions({}, [], {}), {
    ok: true,
    options: {
      instance: 'net',
      etcd: {
        endpoints: ['http://127.0.0.1:2379'],
        prefix: '/net',
        caFile: undefined,
        certFile: undefined,
        keyFile: undefined,
        username: undefined,
        password: undefined,
        passwordFile: undefined,
      },
      underlay: { interfaces: [], interfaceRegexes: [], canReach: undefined, publicIp: undefined },
      leaseTtlSeconds: 86_400,
      doubtGraceSeconds: 300,
      onRevoke: 'reacquire',
      releaseOnExit: false,
      ipMasq: false,
      ipMasqFullyRandom: true,
      forwardRules: true,
      txChecksum: 'auto',
      subnetFile: '/run/flannel/subnet.env',
      dockerEnvFile: '/run/flannel/docker',
      dockerOptsFile: '/run/flannel/flannel_docker_opts.env',
      stateDir: '/var/lib/selvedge',
      instanceStateDir: '/var/lib/selvedge/net',
      runDir: '/run/selvedge',
      socketPath: '/run/selvedge/net.sock',
      probeRate: 20,
      metricsPerPeer: false,
      logLevel: 'info',
      logFormat: 'json',
    },
    notes: [],
  });
});

t.test('values are brought into one form', async t => {
  const options = optionsOf({
    'etcd-endpoints': [' https://a.example:2379/ , https://[fd00::1]:2379,https://a.example:2379'],
    'etcd-prefix': ['//coreos.com///network/'],
    'etcd-cafile': ['/etc/../etc/ca.pem'],
    'etcd-certfile': ['/etc/c.pem'],
    'etcd-keyfile': ['/etc/k.pem'],
    'etcd-username': ['root'],
    'etcd-password': ['p@ss,word'],
    iface: ['eth1', '10.0.0.1'],
    'iface-regex': ['^ens\\d+$'],
    'iface-can-reach': ['10.0.0.9'],
    'public-ip': ['192.0.2.1', '192.0.2.2'],
    'lease-ttl': ['1h30m'],
    'on-revoke': ['exit'],
    'release-on-exit': ['true'],
    'subnet-file': ['/tmp/x/subnet.env'],
    'run-dir': ['/tmp/run/'],
    'log-level': ['debug'],
  });
  t.same(options.etcd.endpoints, ['https://a.example:2379', 'https://[fd00::1]:2379']);
  t.equal(options.etcd.prefix, '/coreos.com/network');
  t.equal(options.instance, 'network', 'from the prefix');
  t.equal(options.etcd.caFile, '/etc/ca.pem');
  t.equal(options.etcd.password?.reveal(), 'p@ss,word');
  t.same(options.underlay.interfaces, ['eth1', '10.0.0.1']);
  t.ok(options.underlay.interfaceRegexes[0]?.test('ens3'));
  t.equal(options.underlay.publicIp, '192.0.2.2', 'the last one counts, as in Go');
  t.equal(options.leaseTtlSeconds, 5400);
  t.strictSame([options.onRevoke, options.releaseOnExit], ['exit', true]);
  t.equal(options.dockerEnvFile, '/tmp/x/docker', 'beside the subnet file');
  t.equal(options.dockerOptsFile, '/tmp/x/flannel_docker_opts.env');
  t.equal(options.socketPath, '/tmp/run/network.sock');
});

t.test('each fault names the option, the value and the rule', async t => {
  const url = 'must be comma separated URLs with a port, such as http://10.0.0.1:2379';
  const duration = 'must be a duration such as 24h, 90m or 30s';
  const absolute = 'must be the absolute path of a file';
  const below = 'must be the absolute path of a directory below /';
  const iface = 'must be the name of an interface (at most 15 characters) or its IPv4 address';
  const instance =
    'must be 1 to 32 letters, digits, _ or - (give --instance if it was taken from the prefix)';
  const table: readonly (readonly [option: string, value: string, fault: string])[] = [
    ['etcd-endpoints', '127.0.0.1:2379', url],
    ['etcd-endpoints', 'http://a:2379,', url],
    ['etcd-endpoints', 'http://a', url],
    ['etcd-endpoints', 'http://a:99999', url],
    ['etcd-endpoints', 'unix:///x:1', url],
    ['etcd-endpoints', 'http://a:2379/v3', url],
    ['etcd-endpoints', 'http://a:2379,https://b:2379', 'must be all http or all https'],
    ['etcd-prefix', 'net', 'must begin with /'],
    ['etcd-prefix', '//', 'must name a place below /'],
    ['etcd-prefix', '/a/../b', 'must not hold . or .. parts'],
    ['iface', 'an-interface-too-long', iface],
    ['iface', 'eth 0', iface],
    ['iface', 'fd00::1', iface],
    ['iface', '..', iface],
    ['iface-regex', '(', 'must be a regular expression: Unterminated group'],
    ['iface-regex', '\\Aeth', 'must be a regular expression: Invalid escape'],
    ['iface-can-reach', 'example.com', 'must be an IPv4 address'],
    ['public-ip', '10.0.0.256', 'must be an IPv4 address'],
    ['public-ip', 'fd00::1', 'must be an IPv4 address'],
    ['public-ip', '127.0.0.1', 'must be the address of a host, not loopback'],
    ['public-ip', '0.0.0.0', 'must be the address of a host, not unspecified'],
    ['subnet-file', 'subnet.env', absolute],
    ['subnet-file', '/run/flannel/', absolute],
    ['docker-env-file', 'docker', absolute],
    ['docker-opts-file', 'opts', absolute],
    ['state-dir', 'state', below],
    ['state-dir', '/', below],
    ['run-dir', './run', below],
    ['instance', 'a/b', instance],
    ['instance', 'x'.repeat(33), instance],
    ['on-revoke', 'stay', 'must be reacquire or exit'],
    ['release-on-exit', 'yes', 'must be true or false'],
    ['lease-ttl', '24', duration],
    ['lease-ttl', 'h', duration],
    ['lease-ttl', '-5s', duration],
    ['lease-ttl', '1.5h', duration],
    ['lease-ttl', '4s', 'must be between 5s and 576h (24 days)'],
    ['lease-ttl', '577h', 'must be between 5s and 576h (24 days)'],
    ['ip-masq', 'maybe', 'must be true or false'],
    ['log-level', 'loud', 'must be one of trace, debug, info, warn, error, fatal, silent'],
  ];
  for (const [option, value, rule] of table) {
    t.same(faultsOf({ [option]: [value] }), [`--${option}: ${JSON.stringify(value)} ${rule}`]);
  }
});

t.test('rules over several options', async t => {
  t.same(faultsOf({ 'etcd-certfile': ['/c'] }), ['--etcd-certfile: needs --etcd-keyfile too']);
  t.same(faultsOf({ 'etcd-keyfile': ['/k'] }), ['--etcd-keyfile: needs --etcd-certfile too']);
  t.same(faultsOf({}, { SELVEDGE_ETCD_USERNAME: 'u' }), [
    'SELVEDGE_ETCD_USERNAME: needs --etcd-password-file too',
  ]);
  t.same(faultsOf({}, { FLANNELD_ETCD_PASSWORD: 'p' }), [
    'FLANNELD_ETCD_PASSWORD: needs --etcd-username too',
  ]);
  t.same(faultsOf({ 'etcd-password-file': ['/p'] }), ['--etcd-password-file: needs --etcd-username too']);
  t.same(
    faultsOf({ 'etcd-username': ['u'], 'etcd-password': ['p'] }, { SELVEDGE_ETCD_PASSWORD_FILE: '/p' }),
    ['SELVEDGE_ETCD_PASSWORD_FILE: cannot be given together with --etcd-password'],
  );
  t.equal(
    optionsOf({ 'etcd-username': ['u'], 'etcd-password-file': ['/run/../etc/p'] }).etcd.passwordFile,
    '/etc/p',
  );
  t.same(faultsOf({ 'subnet-file': ['/run/x/docker'] }), [
    '--docker-env-file: "/run/x/docker" is the file of --subnet-file too',
  ]);
  const long = `/${'d'.repeat(99)}`;
  t.same(faultsOf({ 'run-dir': [long] }), [
    `--run-dir: ${long}/net.sock must be at most 107 bytes, for a unix socket`,
  ]);
  t.same(faultsOf({ 'run-dir': [long.slice(1, 2) + long.slice(2)] }).length, 1);
  t.same(faultsOf({ 'run-dir': [`/${'d'.repeat(97)}`] }), [], '107 bytes fit');
  t.match(faultsOf({ 'etcd-prefix': ['/coreos.com'] }), [/^--instance: "coreos.com" must .*give --instance/]);
  t.same(faultsOf({ 'etcd-prefix': ['/coreos.com'], instance: ['c'] }), []);
});

t.test('everything that is wrong is named at once', async t => {
  const faults = faultsOf(
    {
      'etcd-prefix': ['net'],
      'subnet-file': ['x'],
      'etcd-certfile': ['/c'],
      iface: ['good', 'b/d', 'b:d'],
      'healthz-port': ['80800'],
      'log-level': [''],
    },
    {
      ...{ SELVEDGE_PUBLIC_IP: 'x', FLANNELD_IP_MASQ: 'maybe', FLANNELD_KUBE_SUBNET_MGR: '1' },
      ...{ SELVEDGE_IFCE: 'eth0', SELVEDGE_OPTIONS: '--bogus', FLANNELD_SOMETHING: 'x' },
    },
    ['--etcd-endpoint=http://u:secret@h:1', '--bogus', 'value', 'stray'],
  );
  t.same(
    faults.map(fault => fault.split(' ').slice(0, 2).join(' ')),
    [
      '--etcd-endpoint: unknown',
      '--bogus: unknown',
      '"stray": unexpected',
      'SELVEDGE_IFCE: unknown',
      '--etcd-prefix: "net"',
      '--iface: "b/d"',
      '--iface: "b:d"',
      'SELVEDGE_PUBLIC_IP: "x"',
      'FLANNELD_IP_MASQ: "maybe"',
      '--subnet-file: "x"',
      '--healthz-port: "80800"',
      '--log-level: needs',
      '--etcd-certfile: needs',
      "FLANNELD_KUBE_SUBNET_MGR: flannel's",
    ],
  );
});

t.test('precedence: flag, SELVEDGE_, FLANNELD_, default', async t => {
  const both = { SELVEDGE_ETCD_PREFIX: '/selvedge', FLANNELD_ETCD_PREFIX: '/flannel' };
  t.equal(optionsOf({ 'etcd-prefix': ['/flag'] }, both).etcd.prefix, '/flag');
  t.equal(optionsOf({}, both).etcd.prefix, '/selvedge');
  t.equal(optionsOf({}, { FLANNELD_ETCD_PREFIX: '/flannel' }).etcd.prefix, '/flannel');
  t.equal(optionsOf({}, { SELVEDGE_ETCD_PREFIX: '' }).etcd.prefix, '/net', 'empty is not given');
  t.same(optionsOf({}, { FLANNELD_IFACE: 'eth1' }).underlay.interfaces, ['eth1']);
  t.same(optionsOf({ iface: ['eth0'] }, { FLANNELD_IFACE: 'b/d' }).underlay.interfaces, ['eth0']);
  t.equal(
    optionsOf({}, { FLANNELD_STATE_DIR: '/x' }).stateDir,
    '/var/lib/selvedge',
    'not an option of flannel',
  );
  t.equal(optionsOf({}, { SELVEDGE_STATE_DIR: '/x' }).stateDir, '/x');
});

t.test('an empty flag means not given where there is no default, and is a fault elsewhere', async t => {
  const env = { SELVEDGE_PUBLIC_IP: '192.0.2.1' };
  t.equal(optionsOf({ 'public-ip': [''], iface: [''] }, env).underlay.publicIp, undefined);
  t.same(faultsOf({ 'etcd-prefix': [''], 'ip-masq': [''] }), [
    '--etcd-prefix: needs a value',
    '--ip-masq: needs a value',
  ]);
});

t.test("switches take all of Go's words", async t => {
  for (const word of ['0', 'f', 'F', 'FALSE', 'false', 'False']) {
    t.equal(optionsOf({ 'ip-masq': [word] }).ipMasq, false);
  }
  for (const word of ['1', 't', 'T', 'TRUE', 'true', 'True']) {
    t.equal(optionsOf({}, { FLANNELD_IP_MASQ: word }).ipMasq, true);
    t.equal(optionsOf({ 'ip-masq-fully-random-disable': [word] }).ipMasqFullyRandom, false);
  }
});

t.test("flannel's other options", async t => {
  for (const [name, { kind, verdict, harmless, why }] of Object.entries(FLANNEL_OPTIONS)) {
    const value = kind === 'switch' ? 'true' : '7';
    const variable = `FLANNELD_${name.toUpperCase().replaceAll('-', '_')}`;
    if (verdict === 'refused') {
      const fault = `flannel's option, not supported by selvedge yet: ${why}`;
      t.same(faultsOf({ [name]: [value] }), [`--${name}: ${fault}`]);
      t.same(faultsOf({}, { [variable]: value }), [`${variable}: ${fault}`]);
    } else {
      t.same(notesOf({ [name]: [value] }), [`--${name} is ignored: ${why}`]);
      t.same(notesOf({}, { [variable]: value }), [`${variable} is ignored: ${why}`]);
    }
    if (harmless !== undefined)
      t.same(notesOf({ [name]: [harmless] }), [], `${name}=${harmless} asks for nothing`);
    t.same(notesOf({ [name]: [''] }), [], `empty ${name}`);
  }
  t.same(faultsOf({ 'kube-subnet-mgr': ['perhaps'] }), [
    '--kube-subnet-mgr: "perhaps" must be true or false',
  ]);
  t.same(notesOf({}, { FLANNELD_SOMETHING: 'x', PATH: '/bin' }), []);
});

t.test('notes on what is sound but not what one may think', async t => {
  t.same(notesOf({ 'etcd-cafile': ['/ca'] }, { FLANNELD_ETCD_CERTFILE: '/c', FLANNELD_ETCD_KEYFILE: '/k' }), [
    '--etcd-cafile, FLANNELD_ETCD_CERTFILE, FLANNELD_ETCD_KEYFILE: not used, the endpoints are http',
  ]);
  t.equal(optionsOf({ 'etcd-cafile': ['/ca'] }).etcd.caFile, undefined);
  t.same(notesOf({ 'etcd-username': ['u'], 'etcd-password': ['p'] }), [
    '--etcd-password: ps shows it to everybody on this host; use --etcd-password-file',
  ]);
});

t.test('a secret is in no message and no serialised form', async t => {
  const secret = 'hunter2';
  const flags = { 'etcd-username': ['u'], 'etcd-password': [secret] };
  const sound = resolveAgentOptions(flags, [], {});
  t.notMatch(JSON.stringify(sound), secret);
  t.notMatch(inspect(sound, { depth: null, showHidden: true }), secret);
  const faults = faultsOf(
    { ...flags, 'etcd-endpoints': [`http://u:${secret}@h:1,http://u:p@${secret}@h:1`], iface: ['b/d'] },
    {},
    [`--etcd-pasword=${secret}`, '--etcd-passwd', secret],
  );
  t.equal(faults.length, 4);
  t.notMatch(faults.join('\n'), secret);
});

t.test('the etcd options alone are read alike, whatever is wrong with the others', async t => {
  const env = {
    FLANNELD_ETCD_PREFIX: '/coreos.com/network',
    SELVEDGE_LEASE_TTL: 'x',
    SELVEDGE_SUBNET_FILE: 'y',
  };
  const flags = { 'etcd-endpoints': ['https://a:1'], 'etcd-cafile': ['/ca.pem'] };
  const { etcd } = optionsOf(flags, { FLANNELD_ETCD_PREFIX: '/coreos.com/network' });
  t.same(resolveEtcdOptions(flags, env), { ok: true, etcd, notes: [] });
  t.same(resolveEtcdOptions(flags, { ...env, SELVEDGE_X: '1' }), {
    ...{ ok: true, etcd },
    notes: ['SELVEDGE_X: unknown, ignored'],
  });
  t.same(resolveEtcdOptions({ 'etcd-prefix': ['x'], 'etcd-username': ['bob'] }, env), {
    ok: false,
    faults: ['--etcd-prefix: "x" must begin with /', '--etcd-username: needs --etcd-password-file too'],
    source: 'command line',
  });
});

t.test('faults are of the command line when it would be wrong without the environment', async t => {
  const variable = { SELVEDGE_PUBLIC_IP: 'x' };
  t.equal(sourceOf({}, variable), 'environment');
  t.equal(sourceOf({ 'lease-ttl': ['x'] }, variable), 'command line', 'both are wrong');
  t.equal(sourceOf({}, variable, ['--bogus']), 'command line');
  t.equal(sourceOf({ 'etcd-username': ['u'] }), 'command line', 'the password is missing');
  const password = { SELVEDGE_ETCD_PASSWORD: 'p' };
  t.equal(sourceOf({ 'etcd-username': ['u'] }, password), 'no fault');
  t.equal(sourceOf({ 'etcd-username': ['u'] }, { ...password, ...variable }), 'environment', 'it is there');
});
