/** The few numbers by which one sees at a glance how a host is doing. Pure. */
import type { StatusDocument } from '../daemon/status.js';
import { ageOnly, untilThen } from './ages.js';
import { faultyLeases, missingEntries } from './verdict.js';

export interface Figure {
  readonly name: string;
  readonly value: string;
  /** More of it, in small print; may be empty. */
  readonly note: string;
  readonly isTrouble: boolean;
}

/** @param now what ages are counted from @returns always the same figures, `-` for what is not known yet */
export function statusFigures(status: StatusDocument, now: Date): readonly Figure[] {
  const { peers, probes, dataPlane, subnets, etcd, lease } = status;
  const programmed = peers.filter(({ state }) => state === 'programmed').length;
  const drift = dataPlane === null ? 0 : missingEntries(dataPlane);
  const setAside = faultyLeases(status).length;
  const expires = lease?.expiresAt ?? null;
  const isExpired = expires !== null && Date.parse(expires) <= now.getTime();
  return [
    {
      name: 'peers programmed',
      value: `${programmed}/${peers.length}`,
      note: setAside === 0 ? '' : `${setAside} set aside`,
      isTrouble: programmed < peers.length,
    },
    {
      name: 'peers reachable',
      value: probes?.off === null ? `${probes.peers.reachable}/${peers.length}` : '-',
      note: probes?.off === null && probes.peers.unknown > 0 ? `${probes.peers.unknown} unknown` : '',
      isTrouble: probes?.off === null && probes.peers.unreachable + probes.peers['overlay-blocked'] > 0,
    },
    {
      name: 'drift',
      value: dataPlane === null ? '-' : String(drift),
      note: dataPlane === null ? '' : `${dataPlane.repairs} repaired`,
      isTrouble: drift > 0,
    },
    {
      name: 'lease',
      value: lease?.subnet ?? '-',
      note:
        lease === null
          ? ''
          : expires === null
            ? 'reserved'
            : isExpired
              ? 'ran out'
              : `expires in ${untilThen(expires, now)}`,
      isTrouble: (lease === null && status.verdict !== 'starting') || isExpired,
    },
    {
      name: 'free subnets',
      value: subnets === null ? '-' : String(subnets.free),
      note: subnets === null ? '' : `of ${subnets.total}`,
      isTrouble: subnets?.free === 0,
    },
    {
      name: 'etcd',
      value: etcd.connected ? 'connected' : 'away',
      note: `for ${ageOnly(etcd.since, now)}`,
      isTrouble: !etcd.connected,
    },
  ];
}
