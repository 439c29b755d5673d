/** `selvedge host-setup`: what a host needs besides the agent, and what the agent may not do in its sandbox. */
import { Command, Option } from 'commander';
import { commandOf, mend } from '../daemon/host-setup/apply.js';
import { judgeHost, type Lack } from '../daemon/host-setup/judge.js';
import { readHost } from '../daemon/host-setup/read.js';
import { messageOf } from '../daemon/operator-error.js';
import { EXIT } from './exit-codes.js';

const EXAMPLES = `
Sets net.ipv4.ip_forward, where Docker will not do it (Docker forbids strangers
to be forwarded only where it switched forwarding on), and a loose rp_filter on
overlay devices. Names what only you can mend: systemd-networkd and NetworkManager
that take routes or devices away, a firewall that lets the overlay's packets not
in, as far as its rules tell. Running it again changes nothing.

Examples:
  selvedge host-setup --check
  ExecStartPre=+selvedge host-setup     (in the agent's unit: as root)

Exit codes: without --check always 0, so that no boot fails for it; with --check
0 nothing is lacking, 1 something is, 2 the host cannot be read; 64 usage.`;

interface Flags {
  readonly check?: true;
  readonly stateDir: string;
}

/** The command. It needs root to write, and to read a firewall. */
export function hostSetupCommand(): Command {
  return new Command('host-setup')
    .description('Makes this host ready for the overlay, or says what is lacking.')
    .option('--check', 'say what is lacking, and change nothing')
    .addOption(
      new Option('--state-dir <dir>', "where the agent keeps its config, which has the overlay's port")
        .default('/var/lib/selvedge')
        .env('SELVEDGE_STATE_DIR'),
    )
    .addHelpText('after', EXAMPLES)
    .action(async ({ check, stateDir }: Flags) => {
      process.exitCode = await (check === true ? checkHost(stateDir) : setUp(stateDir));
    });
}

async function checkHost(stateDir: string): Promise<number> {
  try {
    const lacks = judgeHost(await readHost(stateDir));
    for (const lack of lacks) say(`${describe(lack)}\n  next  ${commandOf(lack.remedy)}`);
    if (lacks.length === 0) say('nothing is lacking');
    return lacks.length === 0 ? EXIT.healthy : EXIT.degraded;
  } catch (error) {
    process.stderr.write(`selvedge host-setup: ${messageOf(error)}\n`);
    return EXIT.trouble;
  }
}

async function setUp(stateDir: string): Promise<number> {
  try {
    for (const lack of judgeHost(await readHost(stateDir))) {
      const outcome = await mend(lack);
      if (outcome.kind === 'mended') say(`${describe(lack)}\n  done  ${commandOf(lack.remedy)}`);
      else say(`${describe(lack)}\n  next  ${outcome.next}`);
    }
  } catch (error) {
    process.stderr.write(`selvedge host-setup: not done: ${messageOf(error)}\n`);
  }
  return EXIT.healthy;
}

function describe({ seen, why }: Lack): string {
  return `${seen}: ${why}`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
