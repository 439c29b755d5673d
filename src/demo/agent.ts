/** The command line of an agent in a lab, and the files that it uses. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How to start the command `selvedge`, such as `['node', '/opt/selvedge/dist/cli/main.js']`. */
export type SelvedgeCommand = readonly string[];

/** Where one host's agent keeps what is on disk; several hosts share this machine's file system. */
export interface AgentFiles {
  readonly stateDir: string;
  readonly runDir: string;
  readonly socket: string;
  readonly subnetEnv: string;
  readonly dockerEnv: string;
  readonly dockerOpts: string;
  readonly log: string;
}

/**
 * @param directory the host's directory in the lab
 * @param prefix the etcd prefix; its last part names the agent's instance and so its socket
 */
export function agentFiles(directory: string, prefix: string): AgentFiles {
  const runDir = join(directory, 'run');
  return {
    stateDir: join(directory, 'state'),
    runDir,
    socket: join(runDir, `${prefix.split('/').at(-1)!}.sock`),
    subnetEnv: join(runDir, 'subnet.env'),
    dockerEnv: join(runDir, 'docker'),
    dockerOpts: join(runDir, 'flannel_docker_opts.env'),
    log: join(directory, 'agent.log'),
  };
}

/** The argument vector of `selvedge agent` for one host. */
export function agentArgv(
  selvedge: SelvedgeCommand,
  etcd: { readonly endpoint: string; readonly prefix: string },
  files: AgentFiles,
): readonly string[] {
  return [
    [...selvedge, 'agent'],
    ['--etcd-endpoints', etcd.endpoint, '--etcd-prefix', etcd.prefix],
    ['--iface', 'eth0'],
    ['--state-dir', files.stateDir, '--run-dir', files.runDir],
    ['--subnet-file', files.subnetEnv],
    ['--docker-env-file', files.dockerEnv, '--docker-opts-file', files.dockerOpts],
    ['--lease-ttl', '24h', '--log-level', 'info'],
  ].flat();
}

/** The text of the env file, or undefined while the agent has not written it. */
export async function readSubnetEnv(files: AgentFiles): Promise<string | undefined> {
  try {
    return await readFile(files.subnetEnv, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
