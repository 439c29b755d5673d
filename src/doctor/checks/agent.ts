/** What the agent says, and whether it does. Pure. */
import { VERSION } from '../../daemon/version.js';
import type { SetAsideStatus, StatusDocument } from '../../daemon/status.js';
import { row } from '../check.js';
import { finding, listed, type Finding } from '../finding.js';

export const agentChecks = [
  row('the agent', ['agent'], ({ agent }, { options }) => {
    switch (agent.kind) {
      case 'answers':
        return told(agent.status);
      case 'silent':
        return [finding('agent-silent', agent.seen, agent.cause, agent.next)];
      case 'down': {
        const { otherInstances } = agent;
        const others =
          otherInstances.length === 0
            ? ''
            : `; of other instances there are ${otherInstances.join(', ')} (--instance)`;
        return [
          finding(
            'agent-down',
            `no agent of the instance ${options.instance} runs on this host${others}`,
            'it was not started, or has ended: what is programmed stays, and nobody follows changes',
            'systemctl status selvedge; journalctl -u selvedge -n 50',
          ),
        ];
      }
    }
  }),
];

function told(status: StatusDocument): Finding[] {
  return [...status.problems, ...waiting(status), ...version(status), ...setAside(status)];
}

function waiting({ verdict, phase, awaiting }: StatusDocument): Finding[] {
  if (verdict !== 'starting' || awaiting === null) return [];
  const seen = `the agent waits: ${awaiting}`;
  const cause = `it is at "${phase.replaceAll('-', ' ')}" of its start and goes on by itself`;
  return [finding('agent-waits', seen, cause, 'selvedge status --wait 60s')];
}

function version({ agent }: StatusDocument): Finding[] {
  if (agent.version === VERSION) return [];
  const seen = `the agent is ${agent.version}, and this command ${VERSION}`;
  return [
    finding('agent-version', seen, 'it was not restarted after an upgrade', 'systemctl restart selvedge'),
  ];
}

function setAside(status: StatusDocument): Finding[] {
  return leasesSetAside(status.setAside.filter(({ code }) => code !== 'reserved'));
}

/** @param faulty those that cannot be peers and ought to be */
export function leasesSetAside(faulty: readonly SetAsideStatus[]): Finding[] {
  if (faulty.length === 0) return [];
  const each = faulty.map(({ key, code, reason }) => `${key} (${code}: ${reason})`);
  return [
    finding(
      'leases-set-aside',
      `${faulty.length} of the leases in etcd cannot be peers: ${listed(each)}`,
      'a host with another config, two hosts in conflict, or somebody wrote the key by hand; the others are served',
      'selvedge leases',
    ),
  ];
}
