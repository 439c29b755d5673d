/** Whether etcd can be reached from here, lets us in, and goes by our time. Pure. */
import { etcdctl, quote } from '../../subnet/etcdctl.js';
import { etcdProblem } from '../../daemon/etcd-problems.js';
import { problem } from '../../daemon/problems.js';
import type { EtcdOptions } from '../../daemon/options.js';
import type { StoreErrorKind } from '../../subnet/store.js';
import { row } from '../check.js';
import { finding, type Finding } from '../finding.js';
import { statusOf } from '../view.js';

const CODES = {
  unavailable: 'etcd-away',
  invalid: 'etcd-away',
  tls: 'etcd-tls',
  denied: 'etcd-denied',
} as const satisfies Record<StoreErrorKind, string>;

/** The oldest release that the agent was made for. */
const OLDEST = [3, 4] as const;

/** A second of HTTP's Date, and the way there and back on a slow link. */
const MOST_SKEW_MS = 5_000;

export const etcdChecks = [
  row('reaching etcd', ['etcd'], ({ etcd }, host) => {
    if (etcd.kind === 'read') return [];
    if (etcd.kind === 'unusable') return [unusable(etcd.fault, host.options.etcd)];
    if (statusOf(host)?.etcd.connected === true) {
      const why = `${etcd.error.message}; the agent says that it is connected: it has other options than this command, or has not noticed yet`;
      return [{ about: 'etcd with the options of this command', why }];
    }
    return [etcdProblem(CODES[etcd.error.kind], etcd.error.message, etcd.error, host.options)];
  }),

  row('version of etcd', ['etcdServers'], ({ etcdServers }, { options }) =>
    etcdServers
      .filter(({ version }) => version !== undefined && isOlder(version))
      .map(({ url, version }) =>
        finding(
          'etcd-old',
          `etcd at ${url} is ${version}`,
          `releases before ${OLDEST.join('.')} were not tried with this agent`,
          `${etcdctl({ ...options.etcd, endpoints: [url] })} endpoint status`,
        ),
      ),
  ),

  row('clock against etcd', ['etcdServers'], ({ etcdServers }) => {
    const timed = etcdServers.filter(({ aheadMs }) => aheadMs !== undefined);
    if (timed.length === 0) return [{ about: 'clock against etcd', why: 'no endpoint tells the time' }];
    return timed
      .filter(({ aheadMs }) => Math.abs(aheadMs!) > MOST_SKEW_MS)
      .map(({ url, aheadMs }) => {
        const seconds = Math.round(Math.abs(aheadMs!) / 1000);
        return finding(
          'clock-skew',
          `the clock of this host is ${seconds} s ${aheadMs! > 0 ? 'behind' : 'ahead of'} the one of etcd at ${url}`,
          'one of the two is not set by NTP; certificates are judged by it, and times in logs and leases differ',
          'timedatectl; chronyc tracking',
        );
      });
  }),
];

/** An agent that runs goes on with what it read before; one that starts ends with it. */
function unusable(fault: string, { caFile, certFile, keyFile, passwordFile }: EtcdOptions): Finding {
  const files = [caFile, certFile, keyFile, passwordFile].filter(file => file !== undefined);
  const cause = 'the files are being replaced, or do not belong together';
  return {
    ...problem('etcd-credentials', fault, cause, `ls -l ${files.map(quote).join(' ')}`),
    severity: 'error',
  };
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
}
