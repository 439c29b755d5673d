#!/usr/bin/env node
/** The entry of `selvedge`: finds the command, loads that command's module alone, turns its end into an exit code. */
import { Command, CommanderError } from 'commander';
import { VERSION } from '../daemon/version.js';
import { EXIT } from './exit-codes.js';
import { silenceIpServerName } from './warnings.js';

interface CommandRow {
  readonly name: string;
  readonly summary: string;
  /** Imports late: `status` must answer at once, and the agent's libraries take a tenth of a second to load. */
  readonly load: () => Promise<Command>;
}

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'agent',
    summary: 'run the agent in the foreground',
    load: async () =>
      (await import('./agent.js')).agentCommand(async (options, log) => {
        const { runAgent } = await import('../daemon/main.js');
        // Ends here and now: nothing that is still open may hold an agent that has stopped.
        return process.exit(await runAgent(options, log));
      }),
  },
  {
    name: 'status',
    summary: 'show how the agent on this host is doing',
    load: async () => (await import('./status.js')).statusCommand(),
  },
  {
    name: 'doctor',
    summary: 'look at this host and name what is wrong, and why',
    load: async () => (await import('./doctor.js')).doctorCommand(),
  },
  {
    name: 'plan',
    summary: 'show what an agent would change on this host',
    load: async () => (await import('./plan.js')).planCommand(),
  },
  {
    name: 'ping',
    summary: 'probe peers now: who answers, how fast, how large packets may be',
    load: async () => (await import('./ping.js')).pingCommand(),
  },
  {
    name: 'leases',
    summary: 'list the leases in etcd; reserve a subnet, or give one back',
    load: async () => (await import('./leases.js')).leasesCommand(),
  },
  {
    name: 'docker-opts',
    summary: "make Docker's options of a subnet.env, as mk-docker-opts.sh does",
    load: async () => (await import('./docker-opts.js')).dockerOptsCommand(),
  },
  {
    name: 'docker-check',
    summary: 'tell whether Docker may start with the env file that is there',
    load: async () => (await import('./docker-check.js')).dockerCheckCommand(),
  },
  {
    name: 'host-setup',
    summary: 'make this host ready for the overlay, or say what is lacking',
    load: async () => (await import('./host-setup.js')).hostSetupCommand(),
  },
  {
    name: 'install-units',
    summary: 'put the systemd units in place',
    load: async () => (await import('./install-units.js')).installUnitsCommand(),
  },
  {
    name: 'support',
    summary: 'gather what a helper needs to know of this host, in one file',
    load: async () => (await import('./support.js')).supportCommand(),
  },
  {
    name: 'cleanup',
    summary: 'take everything of the agent off this host',
    load: async () => (await import('./cleanup.js')).cleanupCommand(),
  },
  {
    name: 'demo',
    summary: 'wire several hosts together on this machine, to look at',
    load: async () => (await import('./demo.js')).demoCommand(),
  },
  {
    name: 'version',
    summary: 'print the version',
    load: async () => (await import('./version.js')).versionCommand(),
  },
];

const EXAMPLES = `
Examples:
  selvedge agent --etcd-endpoints http://10.0.0.1:2379
  selvedge status
  selvedge help agent

Exit codes: 0 healthy, 1 degraded, 2 agent unreachable or something that only you
can mend (a variable, the host), 64 usage (the command line).`;

/** @param words the command line behind the program's name */
async function createProgram(words: readonly string[]): Promise<Command> {
  const program = new Command('selvedge')
    .description('Container overlay network for Docker hosts, compatible with flannel.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(add --help for help)')
    .exitOverride();
  const wanted = words.find(word => !word.startsWith('-') && word !== 'help');
  for (const { name, summary, load } of COMMANDS) {
    const command = name === wanted ? await load() : new Command(name);
    program.addCommand(command.summary(summary).copyInheritedSettings(program));
    for (const part of command.commands) part.copyInheritedSettings(command);
  }
  return program;
}

async function main(words: readonly string[]): Promise<void> {
  const program = await createProgram(words);
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? EXIT.healthy : EXIT.usage;
  }
}

// `selvedge status | head` closes the pipe early; that is no fault of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

silenceIpServerName();

await main(process.argv.slice(2));
