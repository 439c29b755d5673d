/** `selvedge docker-check`: whether Docker may start, for a unit to ask before it does. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { parsePrefix } from '../address/prefix.js';
import { readBootId } from '../daemon/boot-id.js';
import { judgeDockerEnv, type SubnetWitnesses } from '../daemon/docker-check.js';
import { readFileIfPresent } from '../daemon/files.js';
import { messageOf } from '../daemon/operator-error.js';
import type { Environment, GivenFlags } from '../daemon/options-given.js';
import { OPTION_ROWS } from '../daemon/options-table.js';
import { resolveAgentOptions, type AgentOptions } from '../daemon/options.js';
import { readSavedState, stateFileOf } from '../daemon/saved-state.js';
import { instanceOfSocket } from '../daemon/socket-path.js';
import { readStatus } from './agent-client.js';
import { addOptions, givenFlags } from './agent-options.js';
import { EXIT, EXIT_FOR_FAULTS } from './exit-codes.js';
import { resolveBeside, someBesideUnit } from './unit-options.js';

const EXAMPLES = `
Docker must not start with a subnet that is not this host's: its containers would
reach nobody, or take another host's addresses. The env file must be there and
say the subnet that the agent holds; while the agent waits or does not run, the
one that it had in this boot. Name the file that Docker's unit reads, if it is
another; where the agent has its state is known from the files of its unit too.

Example, in a drop-in of docker.service:
  ExecStartPre=selvedge docker-check

Exit codes: 0 Docker may start, 1 it must not, 2 it cannot be told, 64 usage.`;

const SHARED_NAMES = new Set(['docker-env-file', 'state-dir', 'run-dir']);
const SHARED = OPTION_ROWS.filter(([name]) => SHARED_NAMES.has(name));

/** Not the file: what Docker's unit reads counts, wherever the agent's writes. */
const NAMES_OF_UNIT = new Set(['state-dir', 'run-dir']);

/** The command. It needs to read the state directory and the control sockets: root, as Docker's unit is. */
export function dockerCheckCommand(): Command {
  const command = new Command('docker-check').description(
    "Tells whether Docker's env file says the subnet that this host has now.",
  );
  addOptions(command, SHARED);
  return command.addHelpText('after', EXAMPLES).action(async () => {
    process.exitCode = await check(command);
  });
}

/** @param files as `readUnitEnvironment` takes them */
export async function dockerCheckOptions(typed: GivenFlags, own: Environment, files?: readonly string[]) {
  const gathered = await someBesideUnit(NAMES_OF_UNIT, typed, own, files);
  return resolveBeside(gathered, (flags, environment) => resolveAgentOptions(flags, [], environment));
}

async function check(command: Command): Promise<number> {
  const resolved = await dockerCheckOptions(givenFlags(command, SHARED), process.env);
  if (!resolved.ok) return complain(resolved.faults, EXIT_FOR_FAULTS[resolved.source]);
  const { dockerEnvFile } = resolved.options;
  try {
    const text = await readFileIfPresent(dockerEnvFile);
    const judgement = judgeDockerEnv(dockerEnvFile, text, await findWitnesses(resolved.options));
    if ('subnet' in judgement) return EXIT.healthy;
    const lines = [
      `Docker must not start: ${judgement.seen}`,
      `  cause  ${judgement.cause}`,
      '  next   systemctl status selvedge; once that is ready: systemctl reset-failed docker; systemctl start docker',
    ];
    return complain(lines, EXIT.degraded);
  } catch (error) {
    return complain([messageOf(error)], EXIT.trouble);
  }
}

function complain(lines: readonly string[], code: number): number {
  process.stderr.write(lines.map(line => `selvedge docker-check: ${line}\n`).join(''));
  return code;
}

async function findWitnesses({ runDir, stateDir }: AgentOptions): Promise<SubnetWitnesses> {
  const sockets = (await list(runDir)).filter(name => instanceOfSocket(name) !== undefined);
  // An agent that does not answer is no witness.
  const answers = await Promise.all(
    sockets.map(name => readStatus(join(runDir, name)).catch(() => undefined)),
  );
  const held = answers.flatMap(status => parsePrefix(status?.lease?.subnet ?? '') ?? []);
  const states = (await list(stateDir)).map(name => readSavedState(stateFileOf(join(stateDir, name))));
  return { held, saved: (await Promise.all(states)).map(({ state }) => state), bootId: await readBootId() };
}

async function list(directory: string): Promise<string[]> {
  return readdir(directory).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
}
