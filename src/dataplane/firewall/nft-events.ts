/** Listens to nftables, to which iptables-nft writes too. */
import { AF_INET, NETLINK_NETFILTER, NFNLGRP_NFTABLES } from '../netlink/constants.js';
import { decodeNftAnnouncement, type NftAnnouncement } from '../netlink/nftables.js';
import { NotificationSocket } from '../netlink/notifications.js';
import { openSubscription } from '../netlink/subscription.js';
import type { FirewallNames } from './model.js';

/** Built-in chains of iptables in which something of ours may stand. */
const HOOKS: Readonly<Record<string, string>> = { filter: 'FORWARD', nat: 'POSTROUTING' };

/**
 * Whether a change may have been one of ours. Docker changes its own chains with every container: those are none of our
 * business.
 */
export function concernsUs({ family, table, chain }: NftAnnouncement, names: FirewallNames): boolean {
  if (family !== AF_INET) return false;
  if (table === names.nftTable) return true;
  const hook = HOOKS[table];
  if (hook === undefined) return false;
  return [undefined, hook, names.forwardChain, names.masqueradeChain].includes(chain);
}

/**
 * Subscribes at once.
 * @param onChange called for every announcement that concerns us, and when some were lost
 * @returns closes the subscription
 * @throws an Error when the kernel has no nftables
 */
export function listenToNft(names: FirewallNames, onChange: () => void): () => void {
  const socket = new NotificationSocket(
    {
      onMessage: message => {
        const announcement = decodeNftAnnouncement(message);
        if (announcement !== undefined && concernsUs(announcement, names)) onChange();
      },
      onOverflow: onChange,
    },
    {
      groups: [NFNLGRP_NFTABLES],
      open: groups => openSubscription(groups, { protocol: NETLINK_NETFILTER }),
    },
  );
  return () => socket.close();
}
