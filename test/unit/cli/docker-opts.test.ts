/** What mk-docker-opts.sh was seen to write, case by case: the variable lines must be the same bytes. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { dockerOptsCommand } from '../../../src/cli/docker-opts.js';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));

const INPUT = 'FLANNEL_SUBNET=10.1.74.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=false\n';
const BIP = 'DOCKER_OPT_BIP="--bip=10.1.74.1/24"\n';
const IPMASQ = 'DOCKER_OPT_IPMASQ="--ip-masq=true"\n';
const MTU = 'DOCKER_OPT_MTU="--mtu=1472"\n';
const ALL = ' --bip=10.1.74.1/24 --ip-masq=true --mtu=1472';

interface Case {
  /** Contents of subnet.env; undefined: there is none. */
  readonly input?: string | undefined;
  readonly environment?: Readonly<Record<string, string>>;
}

async function run(t: Test, words: readonly string[], { input, environment }: Case = { input: INPUT }) {
  const directory = mkdtempSync(join(tmpdir(), 'selvedge-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const [file, target] = [join(directory, 'subnet.env'), join(directory, 'opts.env')];
  if (input !== undefined) writeFileSync(file, input);
  const before = { ...process.env };
  Object.assign(process.env, environment);
  const stderr = t.capture(process.stderr, 'write', () => true);
  try {
    const command = dockerOptsCommand().exitOverride();
    await command.parseAsync(['-f', file, '-d', target, ...words], { from: 'user' });
  } finally {
    stderr.restore();
    process.env = before;
  }
  const { exitCode: code } = process;
  process.exitCode = 0;
  const err = stderr().map(({ args }) => String(args[0]));
  const text = existsSync(target) ? readFileSync(target, 'utf8') : undefined;
  return { code, err: err.join(''), text };
}

t.test('the recorded outputs', async t => {
  const table: readonly (readonly [name: string, words: readonly string[], text: string, where?: Case])[] = [
    ['nothing asked for: both', [], `${BIP}${IPMASQ}${MTU}DOCKER_OPTS="${ALL}"\n`],
    ['-i', ['-i'], BIP + IPMASQ + MTU],
    ['-c', ['-c'], `DOCKER_OPTS="${ALL}"\n`],
    ['-c -i is both', ['-c', '-i'], `${BIP}${IPMASQ}${MTU}DOCKER_OPTS="${ALL}"\n`],
    ['-k', ['-k', 'DOCKER_NETWORK_OPTIONS'], `${BIP}${IPMASQ}${MTU}DOCKER_NETWORK_OPTIONS="${ALL}"\n`],
    ['-m', ['-m'], `${BIP}${MTU}DOCKER_OPTS=" --bip=10.1.74.1/24 --mtu=1472"\n`],
    ['letters in one word', ['-icmk', 'X'], `${BIP}${MTU}X=" --bip=10.1.74.1/24 --mtu=1472"\n`],
    [
      'Docker masquerades when flannel does not',
      ['-i'],
      'DOCKER_OPT_IPMASQ="--ip-masq=false"\n',
      { input: 'FLANNEL_IPMASQ=true\n' },
    ],
    [
      'a variable that is missing gives no line',
      [],
      `${MTU}DOCKER_OPTS=" --mtu=1472"\n`,
      { input: 'FLANNEL_MTU=1472' },
    ],
    ['a file that is missing is no fault', [], 'DOCKER_OPTS=""\n', { input: undefined }],
    ['-m does not look at the value', ['-c', '-m'], 'DOCKER_OPTS=""\n', { input: 'FLANNEL_IPMASQ=perhaps' }],
    [
      'the environment comes first, with two blanks',
      ['-c'],
      `DOCKER_OPTS="-H x ${ALL}"\n`,
      { input: INPUT, environment: { DOCKER_OPTS: '-H x' } },
    ],
    [
      'options of the environment are sorted in, and one with a blank stays whole',
      [],
      `${BIP}DOCKER_OPT_DNS="--dns 10.0.0.1"\n${IPMASQ}${MTU}DOCKER_OPTS=" --bip=10.1.74.1/24 --dns 10.0.0.1 --ip-masq=true --mtu=1472"\n`,
      { input: INPUT, environment: { DOCKER_OPT_DNS: '--dns 10.0.0.1' } },
    ],
    ['IPv6 is left out', ['-i'], MTU, { input: 'FLANNEL_MTU=1472\nFLANNEL_IPV6_SUBNET=fd00::1/64\n' }],
  ];
  for (const [name, words, text, where] of table) {
    t.match(await run(t, words, where), { code: 0, err: '', text }, name);
  }
});

t.test('a value that Docker could not take is named, and the file is left alone', async t => {
  const table: readonly (readonly [input: string, word: string])[] = [
    ['FLANNEL_IPMASQ=perhaps\n', 'FLANNEL_IPMASQ: "perhaps" must be true or false'],
    ['FLANNEL_SUBNET=10.1.74.1\n', 'FLANNEL_SUBNET: "10.1.74.1" must be an IPv4 prefix'],
    ['FLANNEL_MTU=1e3\n', 'FLANNEL_MTU: "1e3" must be a number of bytes'],
    ["DOCKER_OPT_X='$(reboot)'\n", 'DOCKER_OPT_X: "$(reboot)" cannot stand in a variable'],
  ];
  for (const [input, word] of table) {
    const { code, err, text } = await run(t, [], { input });
    t.same([code, text], [1, undefined], input);
    t.match(err, `selvedge docker-opts: ${word}`);
  }
  t.match(await run(t, ['-k', 'A B']), {
    code: 1,
    text: undefined,
    err: '"A B" must be the name of a variable',
  });
});

t.test('words that make no sense', async t => {
  for (const words of [['-x'], ['-f'], ['stray']]) {
    await t.rejects(run(t, words), { code: /^commander\./ }, words.join(' '));
  }
});

t.test('a link or a pipe as the target is written through and stays', async t => {
  const { text } = await run(t, ['-c']);
  const command = `exec "$0" "$1" docker-opts -f none -c -d /dev/stdout | cat`;
  const piped = execFileSync('sh', ['-c', command, process.execPath, MAIN], { encoding: 'utf8' });
  t.same([piped, text], ['DOCKER_OPTS=""\n', `DOCKER_OPTS="${ALL}"\n`]);
  const directory = mkdtempSync(join(tmpdir(), 'selvedge-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'real'), 'old\n');
  symlinkSync('real', join(directory, 'link'));
  t.equal((await run(t, ['-i', '-d', join(directory, 'link')])).code, 0);
  t.equal(readFileSync(join(directory, 'real'), 'utf8'), BIP + IPMASQ + MTU);
});
