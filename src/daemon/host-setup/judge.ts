/** What a host lacks for containers to reach those of other hosts, and what mends it. Pure. */

/** What was read of the host; undefined where the kernel or a program does not tell. */
export interface HostReading {
  /** net.ipv4.ip_forward. */
  readonly ipForward: string | undefined;
  /** net.ipv4.conf.all.rp_filter: 0 off, 1 strict, 2 loose. */
  readonly rpFilterOfAll: string | undefined;
  /** The overlay devices that are there. */
  readonly devices: readonly { readonly name: string; readonly rpFilter: string | undefined }[];
  /** Whether Docker will switch forwarding on when it starts; undefined: there is no Docker. */
  readonly dockerForwards: boolean | undefined;
  /** systemd-networkd: undefined when it does not run. */
  readonly networkdRemovesRoutes: boolean | undefined;
  /** NetworkManager: undefined when it does not run. */
  readonly networkManagerTakesDevices: boolean | undefined;
  /** The kernel's list of legacy iptables' tables, when only root may read it; undefined: none there, or all may. */
  readonly hiddenTables: string | undefined;
  /** Chains of the host's firewall through which UDP to the port of the overlay may not come in. */
  readonly closedChains: readonly string[];
  /** UDP port of the overlay; undefined for a backend without one. */
  readonly port: number | undefined;
}

/** What a host can lack; `selvedge doctor` tells the same codes. */
export const LACK_CODES = [
  'forwarding-off',
  'rp-filter-strict',
  'legacy-tables-hidden',
  'networkd-removes-routes',
  'network-manager',
  'port-closed',
] as const;

export type LackCode = (typeof LACK_CODES)[number];

/** One thing that is not as it should be. */
export interface Lack {
  readonly code: LackCode;
  readonly seen: string;
  /** What follows from it. */
  readonly why: string;
  readonly remedy:
    /** A sysctl, by its path below /proc/sys. */
    | { readonly kind: 'sysctl'; readonly path: string; readonly value: string }
    /** A file that others than root must read. */
    | { readonly kind: 'readable'; readonly path: string }
    /** Nothing that may be done without being asked. */
    | { readonly kind: 'by-hand'; readonly next: string };
}

/** Everything that is lacking. */
export function judgeHost(host: HostReading): Lack[] {
  return [
    ...judgeForwarding(host),
    ...judgeReversePath(host),
    ...judgeLegacyTables(host),
    ...judgeManagers(host),
    ...judgeFirewall(host),
  ];
}

/**
 * Docker forbids the forwarding of strangers' packets only where it switches forwarding on itself: who does that first
 * leaves the host open to its neighbours.
 */
function judgeForwarding({ ipForward, dockerForwards }: HostReading): Lack[] {
  if (ipForward !== '0' || dockerForwards === true) return [];
  return [
    {
      code: 'forwarding-off',
      seen: 'net.ipv4.ip_forward is 0',
      why: 'packets of containers do not leave this host',
      remedy: { kind: 'sysctl', path: 'net/ipv4/ip_forward', value: '1' },
    },
  ];
}

/** The stronger of the two values holds, and 2, which is looser, counts as the stronger (ip-sysctl of the kernel). */
function judgeReversePath({ rpFilterOfAll, devices }: HostReading): Lack[] {
  return devices
    .filter(({ rpFilter }) => Math.max(Number(rpFilterOfAll ?? 0), Number(rpFilter ?? 0)) === 1)
    .map(({ name }) => ({
      code: 'rp-filter-strict',
      seen: `rp_filter of ${name} is strict`,
      why: 'packets that come in by the overlay and are answered by another way are dropped',
      remedy: { kind: 'sysctl', path: `net/ipv4/conf/${name}/rp_filter`, value: '2' },
    }));
}

/** Where legacy iptables is a module the agent knows by that; where it is a part of the kernel only this file tells. */
function judgeLegacyTables({ hiddenTables }: HostReading): Lack[] {
  if (hiddenTables === undefined) return [];
  return [
    {
      code: 'legacy-tables-hidden',
      seen: `${hiddenTables} is for root alone to read`,
      why: 'the agent may not learn that iptables-legacy drops what it should let through',
      remedy: { kind: 'readable', path: hiddenTables },
    },
  ];
}

function judgeManagers({ networkdRemovesRoutes, networkManagerTakesDevices }: HostReading): Lack[] {
  const next = 'selvedge install-units';
  return [
    ...(networkdRemovesRoutes === true
      ? [
          {
            code: 'networkd-removes-routes' as const,
            seen: 'systemd-networkd runs without ManageForeignRoutes=no',
            why: 'it removes our routes when it configures a link',
            remedy: { kind: 'by-hand', next: `${next}; systemctl restart systemd-networkd` } as const,
          },
        ]
      : []),
    ...(networkManagerTakesDevices === true
      ? [
          {
            code: 'network-manager' as const,
            seen: 'NetworkManager is not told to leave flannel.* alone',
            why: 'it may take the device over, with its addresses and routes',
            remedy: { kind: 'by-hand', next: `${next}; nmcli general reload` } as const,
          },
        ]
      : []),
  ];
}

function judgeFirewall({ closedChains, port }: HostReading): Lack[] {
  if (port === undefined || closedChains.length === 0) return [];
  return [
    {
      code: 'port-closed',
      seen: `the firewall drops what it does not know (${closedChains.join(', ')}), and no rule names UDP port ${port}`,
      why: 'packets of other hosts do not come in',
      remedy: {
        kind: 'by-hand',
        next: `let UDP port ${port} in from the other hosts, where that firewall is configured`,
      },
    },
  ];
}
