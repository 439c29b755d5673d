/** `selvedge docker-opts`: what flannel's mk-docker-opts.sh does, so that units which run that keep working. */
import { realpath, stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { formatPrefix, maskPrefix, parsePrefix, samePrefix } from '../address/prefix.js';
import { makeDockerOpts } from '../daemon/docker-opts.js';
import { readFileIfPresent, writeFileAtomically } from '../daemon/files.js';
import { messageOf } from '../daemon/operator-error.js';
import { parseAssignments } from '../daemon/subnet-env.js';
import { readGatewayRoutes } from '../dataplane/host-network.js';
import { NetlinkSocket } from '../dataplane/netlink/socket.js';
import { EXIT } from './exit-codes.js';

const EXAMPLES = `
Takes the options of flannel's mk-docker-opts.sh and writes the same lines. With
neither -i nor -c, both. The agent keeps /run/flannel/docker and
/run/flannel/flannel_docker_opts.env up to date by itself: this is for units that
run the script.

Examples:
  selvedge docker-opts -k DOCKER_NETWORK_OPTIONS -d /run/flannel/docker
  selvedge docker-opts -i
  selvedge docker-opts -c -d /dev/stdout

Exit codes: 0 written, 1 not written because a value is wrong, or written and a
route to another host bears this host's subnet; 64 usage.`;

interface Flags {
  readonly f: string;
  readonly d: string;
  readonly i?: true;
  readonly c?: true;
  readonly m?: true;
  readonly k: string;
}

/** The command. It needs no root, only to be allowed to write the file. */
export function dockerOptsCommand(): Command {
  return new Command('docker-opts')
    .description("Writes dockerd's options for the subnet of this host.")
    .option(
      '-f <file>',
      'subnet.env to read; one that is missing gives no options',
      '/run/flannel/subnet.env',
    )
    .option('-d <file>', 'file to write', '/run/docker_opts.env')
    .option('-i', 'a variable for each option')
    .option('-c', 'one variable with all of them')
    .option('-m', 'leave out --ip-masq')
    .option('-k <name>', 'name of the variable with all of them', 'DOCKER_OPTS')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: Flags) => {
      const fault = await writeDockerOpts(flags);
      if (fault !== undefined) process.stderr.write(`selvedge docker-opts: ${fault}\n`);
      process.exitCode = fault === undefined ? EXIT.healthy : EXIT.degraded;
    });
}

/** @returns the fault */
async function writeDockerOpts(flags: Flags): Promise<string | undefined> {
  try {
    const file = resolve(flags.f);
    const variables = {
      ...process.env,
      ...Object.fromEntries(parseAssignments((await readFileIfPresent(file)) ?? '')),
    };
    const both = flags.i === undefined && flags.c === undefined;
    const made = makeDockerOpts(variables, {
      each: both || flags.i === true,
      combined: both || flags.c === true,
      combinedKey: flags.k,
      ipMasq: flags.m === undefined,
    });
    if (!made.ok) return `${made.fault}; see ${file}. ${flags.d} is left as it is`;
    await write(resolve(flags.d), made.text);
    return await findConflict(variables.FLANNEL_SUBNET);
  } catch (error) {
    return messageOf(error);
  }
}

/** Also through a link, and to what is no file, such as /dev/stdout: none of them may be replaced. */
async function write(path: string, text: string): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || found.isFile()) await writeFileAtomically(target, text);
  else await writeFile(path, text);
}

/** Docker would put the subnet on its bridge while packets to it go elsewhere. @returns what is in the way */
async function findConflict(subnetText: string | undefined): Promise<string | undefined> {
  const subnet = parsePrefix(subnetText ?? '');
  if (subnet === undefined) return undefined;
  const own = maskPrefix(subnet);
  const socket = new NetlinkSocket();
  try {
    const routes = await readGatewayRoutes(socket);
    if (!routes.some(route => samePrefix(route, own))) return undefined;
    return (
      `a route leads ${formatPrefix(own)}, the subnet of this host, to another one: ` +
      `see "ip route show ${formatPrefix(own)}"`
    );
  } finally {
    socket.close();
  }
}
