import { Command } from 'commander';
import t, { type Test } from 'tap';
import type { AgentOptions } from '../../../src/daemon/options.js';
import { agentCommand } from '../../../src/cli/agent.js';

/** Parses a command line and gives what the agent would run with, or what the operator would read. */
async function parse(t: Test, words: readonly string[]) {
  const runs: AgentOptions[] = [];
  const command = agentCommand(async options => {
    runs.push(options);
    return 0;
  });
  const stderr = t.capture(process.stderr, 'write', () => true);
  const program = new Command('selvedge').exitOverride();
  program.addCommand(command.copyInheritedSettings(program));
  await program.parseAsync(['agent', ...words], { from: 'user' });
  const written = stderr().map(({ args }) => String(args[0]));
  const exitCode = process.exitCode;
  process.exitCode = 0;
  return { options: runs[0], written: written.join(''), exitCode };
}

t.test("a unit's command line for flanneld", async t => {
  const { options, written } = await parse(t, [
    '-iface=eth1',
    '--iface',
    '10.0.0.1',
    '-etcd-endpoints=http://10.0.0.1:2379',
    '--etcd-prefix=/coreos.com/network',
    '--ip-masq=false',
    '-v=4',
    '--log-level=error',
  ]);
  t.same(options?.underlay.interfaces, ['eth1', '10.0.0.1']);
  t.same(options?.etcd.endpoints, ['http://10.0.0.1:2379']);
  t.equal(options?.instance, 'network');
  t.equal(written, '');
});

t.test('every wrong word is named, and the exit code is that of a wrong command line', async t => {
  const { options, written, exitCode } = await parse(t, [
    '-ip-masq=maybe',
    '--public-ip=x',
    'stray',
    '--bogus=secret',
    '--public-ipv6',
    'fd00::1',
    '--iface',
  ]);
  t.equal(options, undefined);
  t.equal(exitCode, 64);
  t.same(written.split('\n'), [
    'selvedge agent: "stray": unexpected argument',
    'selvedge agent: --bogus: unknown option',
    'selvedge agent: --public-ip: "x" must be an IPv4 address',
    'selvedge agent: --ip-masq: "maybe" must be true or false',
    "selvedge agent: --public-ipv6: flannel's option, not supported by selvedge yet: IPv6 underlays are not built",
    'selvedge agent: --iface: needs a value',
    '',
  ]);
});

t.test('a value that is missing is a fault even when all else is sound', async t => {
  const { options, written } = await parse(t, ['--iface']);
  t.equal(options, undefined);
  t.equal(written, 'selvedge agent: --iface: needs a value\n');
});

t.test('the help has every option, its default and examples', async t => {
  const help: string[] = [];
  const command = agentCommand(async () => 0).exitOverride();
  command.configureOutput({ writeOut: text => help.push(text) });
  t.throws(() => command.parse(['-help'], { from: 'user' }), {
    code: 'commander.helpDisplayed',
    exitCode: 0,
  });
  const text = help.join('').replace(/\s+/g, ' ');
  t.match(
    text,
    '--etcd-endpoints <URLS> comma separated; all http or all https (default: http://127.0.0.1:2379)',
  );
  t.match(text, 'Examples:');
  t.notMatch(text, '--kube', "flannel's other options are not offered");
});
