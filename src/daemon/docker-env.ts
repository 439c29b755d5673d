/**
 * Docker's options in the files that its units on container hosts read. Pure.
 *
 * The bytes are those of flannel's mk-docker-opts.sh, which made these files until now: Atomic hosts ran it as
 * `-k DOCKER_NETWORK_OPTIONS -d /run/flannel/docker`, CoreOS as `-i -d /run/flannel/flannel_docker_opts.env`.
 */
import { formatGateway, type SubnetEnv } from './subnet-env.js';

/** A variable and the option of dockerd in it. */
export type DockerOption = readonly [name: string, option: string];

/** One option a line. */
export function formatEach(options: readonly DockerOption[]): string {
  return options.map(([name, option]) => `${name}="${option}"\n`).join('');
}

/** All in one line, where each has a blank in front. @param start what stands before them */
export function formatCombined(name: string, options: readonly DockerOption[], start = ''): string {
  return `${name}="${start}${options.map(([, option]) => ` ${option}`).join('')}"\n`;
}

/** `/run/flannel/flannel_docker_opts.env` as CoreOS has it: one option a line. */
export function formatDockerOpts(env: SubnetEnv): string {
  return formatEach(dockerOptions(env));
}

/** `/run/flannel/docker` as Atomic has it: one option a line, then all in one. */
export function formatDockerEnv(env: SubnetEnv): string {
  const options = dockerOptions(env);
  return formatEach(options) + formatCombined('DOCKER_NETWORK_OPTIONS', options);
}

/** Docker masquerades exactly when the agent does not, so its option is the inverse of ours. */
function dockerOptions(env: SubnetEnv): readonly DockerOption[] {
  return [
    ['DOCKER_OPT_BIP', `--bip=${formatGateway(env.ipv4.subnet)}`],
    ['DOCKER_OPT_IPMASQ', `--ip-masq=${!env.ipMasq}`],
    ['DOCKER_OPT_MTU', `--mtu=${env.mtu}`],
  ];
}
