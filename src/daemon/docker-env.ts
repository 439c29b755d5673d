/**
 * Docker's options in the files that its units on container hosts read. Pure.
 *
 * The bytes are those of flannel's mk-docker-opts.sh, which made these files until now: Atomic hosts ran it as
 * `-k DOCKER_NETWORK_OPTIONS -d /run/flannel/docker`, CoreOS as `-i -d /run/flannel/flannel_docker_opts.env`.
 */
import { formatGateway, type SubnetEnv } from './subnet-env.js';

/** `/run/flannel/flannel_docker_opts.env` as CoreOS has it: one option a line. */
export function formatDockerOpts(env: SubnetEnv): string {
  return dockerOptions(env)
    .map(([name, option]) => `${name}="${option}"\n`)
    .join('');
}

/** `/run/flannel/docker` as Atomic has it: one option a line, then all in one, where each has a blank in front. */
export function formatDockerEnv(env: SubnetEnv): string {
  const all = dockerOptions(env).map(([, option]) => ` ${option}`);
  return `${formatDockerOpts(env)}DOCKER_NETWORK_OPTIONS="${all.join('')}"\n`;
}

/** Docker masquerades exactly when the agent does not, so its option is the inverse of ours. */
function dockerOptions(env: SubnetEnv): readonly (readonly [name: string, option: string])[] {
  return [
    ['DOCKER_OPT_BIP', `--bip=${formatGateway(env.ipv4.subnet)}`],
    ['DOCKER_OPT_IPMASQ', `--ip-masq=${!env.ipMasq}`],
    ['DOCKER_OPT_MTU', `--mtu=${env.mtu}`],
  ];
}
