/** `selvedge ping`: probes peers now, and tells by which way and how large packets may be. */
import { Command, Option } from 'commander';
import { DEFAULT_RUN_DIR } from '../daemon/socket-path.js';
import { ProbesUnavailableError } from '../probe/icmp-socket.js';
import { AgentUnreachableError, findSocket, readStatus } from './agent-client.js';
import { EXIT } from './exit-codes.js';
import { choosePeers, pingDocument, renderPing } from './ping-document.js';
import { pingPeers } from './ping-run.js';
import { printable, printableJson } from './printable.js';
import { runDirOf } from './unit-options.js';

const EXAMPLES = `
PEER is a subnet, an address in one, a public IP or the name of a node. The peers are
the agent's, and it must run; the packets are sent by this command, so that it needs
root or CAP_NET_RAW: three on each path, and those that find out the path MTU.

Examples:
  selvedge ping node7
  selvedge ping 10.5.71.2
  selvedge ping --all
  selvedge ping --all -o json | jq -r '.peers[] | select(.state != "reachable").subnet'

Exit codes: 0 all are reached, 1 some are not, 2 no agent, no such peer or no permission,
64 usage.`;

interface PingFlags {
  readonly all?: true;
  readonly output: 'plain' | 'json';
  readonly socket?: string;
  readonly instance?: string;
  readonly runDir: string;
}

/** The command. */
export function pingCommand(): Command {
  const command: Command = new Command('ping')
    .description(
      'Probes peers now, on the underlay and through the tunnel: round-trip time, loss and path MTU.',
    )
    .argument('[peer]', 'subnet, address, public IP or node')
    .option('--all', 'all peers of this host')
    .addOption(
      new Option('-o, --output <form>', 'form of the answer').choices(['plain', 'json']).default('plain'),
    )
    .addOption(new Option('--instance <name>', 'which agent, where several run').env('SELVEDGE_INSTANCE'))
    .addOption(
      new Option('--run-dir <dir>', 'where the sockets are').default(DEFAULT_RUN_DIR).env('SELVEDGE_RUN_DIR'),
    )
    .addOption(new Option('--socket <path>', 'the very socket, whatever the instance'))
    .addHelpText('after', EXAMPLES);
  return command.action(async (peer: string | undefined, flags: PingFlags) => {
    if ((peer === undefined) === (flags.all !== true)) command.error('error: give either one PEER or --all');
    process.exitCode = await ping(peer, { ...flags, runDir: await runDirOf(command) });
  });
}

async function ping(wanted: string | undefined, flags: PingFlags): Promise<number> {
  const fail = (message: string) => {
    process.stderr.write(`selvedge ping: ${message.split('\n').map(printable).join('\n')}\n`);
    return EXIT.trouble;
  };
  try {
    const status = await readStatus(flags.socket ?? (await findSocket(flags.runDir, flags.instance)));
    const peers = choosePeers(status, wanted);
    if (peers.length === 0) {
      return fail(
        wanted === undefined
          ? 'this host has no peers yet; see: selvedge status'
          : `no peer is called ${wanted}, has that address or subnet; see: selvedge status --all`,
      );
    }
    const document = pingDocument(await pingPeers(status, peers));
    process.stdout.write(
      flags.output === 'json' ? `${printableJson(document)}\n` : renderPing(printable(document)),
    );
    return document.peers.every(({ state }) => state === 'reachable') ? EXIT.healthy : EXIT.degraded;
  } catch (error) {
    if (error instanceof ProbesUnavailableError) return fail(`${error.message}\n  next   ${error.remedy}`);
    if (error instanceof AgentUnreachableError) return fail(error.message);
    throw error;
  }
}
