/** `selvedge demo`: several hosts on this machine, to look at and to try things on. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { MAX_HOSTS } from '../demo/lab.js';
import { runDemo, type DemoOptions } from './demo-run.js';

const EXAMPLES = `
It needs root, and the programs ip, ping, etcd and etcdctl. It works in network namespaces of its own and leaves the
machine's network alone.

Exit code: 0 every ping was answered, 1 one was not or a host did not start, 2 it cannot run here.

Examples:
  selvedge demo                                three hosts, VXLAN; Ctrl-C ends it
  selvedge demo --hosts 5 --backend host-gw    five hosts, plain routes between them
  selvedge demo --once                         ends by itself, for scripts
`;

/** The command, ready to be added to the program; it sets the process's exit code. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('wire several hosts together on this machine with real agents and a real etcd')
    .addOption(new Option('--hosts <number>', `how many, 2 to ${MAX_HOSTS}`).default(3).argParser(parseHosts))
    .addOption(
      new Option('--backend <type>', 'how hosts reach each other')
        .choices(['vxlan', 'host-gw'])
        .default('vxlan'),
    )
    .option('--once', 'end after the pings instead of waiting for Ctrl-C', false)
    .option('--verbose', 'print every command that makes the hosts', false)
    .addHelpText('after', EXAMPLES)
    .action(async (options: Omit<DemoOptions, 'print'>) => {
      process.exitCode = await runDemo({ ...options, print: line => process.stdout.write(`${line}\n`) });
    });
}

function parseHosts(text: string): number {
  const hosts = Number(text);
  if (Number.isInteger(hosts) && hosts >= 2 && hosts <= MAX_HOSTS) return hosts;
  throw new InvalidArgumentError(`It has to be a whole number from 2 to ${MAX_HOSTS}.`);
}
