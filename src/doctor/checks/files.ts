/** The lease against the files for Docker, and these against its bridge. Pure. */
import { formatPrefix, maskPrefix, samePrefix, type Prefix } from '../../address/prefix.js';
import { DOCKER_BRIDGE, findDockerBridge } from '../../daemon/docker-bridge.js';
import { judgeDockerEnv } from '../../daemon/docker-check.js';
import { problem } from '../../daemon/problems.js';
import { parseSubnetEnv } from '../../daemon/subnet-env.js';
import { row } from '../check.js';
import { finding } from '../finding.js';
import { known, ownSubnetOf, statusOf } from '../view.js';

export const fileChecks = [
  row('the files for Docker', ['files'], ({ files }, host) => {
    const subnet = ownSubnetOf(host);
    // An agent that waits has written none yet.
    if (subnet === undefined || statusOf(host)?.files.length === 0) return [];
    const { subnetFile, dockerEnvFile } = host.options;
    const faults = [
      ...judgeSubnetFile(subnetFile, files.subnetEnv, subnet),
      ...judgeDockerFile(dockerEnvFile, files.dockerEnv, subnet),
    ];
    if (faults.length === 0) return [];
    return [
      finding(
        'env-file',
        faults.join('; '),
        'somebody removed or changed it, an earlier agent or a flanneld left it, or it could not be written',
        'systemctl restart selvedge; then, for its containers: systemctl restart docker',
      ),
    ];
  }),

  row("Docker's bridge", ['network'], ({ network }, host) => {
    const subnet = ownSubnetOf(host);
    const bridge = findDockerBridge(network.entries);
    if (subnet === undefined || bridge === undefined || samePrefix(maskPrefix(bridge), subnet)) return [];
    const seen = `${DOCKER_BRIDGE} has ${formatPrefix(bridge)}, and the subnet of this host is ${formatPrefix(subnet)}`;
    const cause = `Docker started before the agent had this subnet, or does not take its options from ${host.options.dockerEnvFile}`;
    return [
      problem(
        'docker-subnet',
        seen,
        cause,
        'selvedge install-units, if Docker has no drop-in of ours; then: systemctl restart docker',
      ),
    ];
  }),

  row('the state of the host', ['state'], (_, host) => {
    const fault = known(host, 'state')?.fault;
    if (fault === undefined) return [];
    const cause = 'the disk was full, or somebody wrote to it; a restarted agent goes by its lease in etcd';
    return [problem('file-not-written', fault, cause, `ls -l ${host.options.instanceStateDir}`)];
  }),
];

function judgeSubnetFile(path: string, text: string | undefined, subnet: Prefix): string[] {
  if (text === undefined) return [`${path} is not there`];
  const found = parseSubnetEnv(text).subnet;
  if (found === undefined) return [`${path} names no FLANNEL_SUBNET`];
  if (samePrefix(found, subnet)) return [];
  return [`${path} says ${formatPrefix(found)}, and the subnet of this host is ${formatPrefix(subnet)}`];
}

function judgeDockerFile(path: string, text: string | undefined, subnet: Prefix): string[] {
  const judgement = judgeDockerEnv(path, text, { held: [subnet], saved: [], bootId: undefined });
  return 'seen' in judgement ? [judgement.seen] : [];
}
