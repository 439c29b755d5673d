/** Sees peers' routes arrive in the kernel of this namespace. A peer's route is the last of its entries. */
import { ipFromBytes } from '../../src/address/ip.js';
import { RTM_NEWROUTE, RTNLGRP_IPV4_ROUTE } from '../../src/dataplane/netlink/constants.js';
import { NotificationSocket } from '../../src/dataplane/netlink/notifications.js';
import { decodeRoute } from '../../src/dataplane/netlink/route.js';
import { peer } from '../peers.js';

const DEADLINE_MS = 60_000;

export interface Arrivals {
  /**
   * Resolves when the peer's route has been announced, at once if it was before.
   * @returns the moment, in milliseconds of `performance.now()`
   */
  of(number: number): Promise<number>;
  close(): void;
}

/** Listens from the return on. */
export function watchArrivals(): Arrivals {
  const seen = new Map<string, number>();
  const waiting = new Map<string, (at: number) => void>();
  let failed: ((error: Error) => void) | undefined;
  const socket = new NotificationSocket(
    {
      onMessage: ({ type, body }) => {
        if (type !== RTM_NEWROUTE) return;
        const at = performance.now();
        const base = ipFromBytes(decodeRoute(body).destination);
        seen.set(base, at);
        waiting.get(base)?.(at);
        waiting.delete(base);
      },
      onOverflow: reason => failed?.(new Error(`announcements were lost: ${reason}`)),
    },
    { groups: [RTNLGRP_IPV4_ROUTE] },
  );
  const of = async (number: number) => {
    const base = peer(number).subnet.address;
    const before = seen.get(base);
    if (before !== undefined) return before;
    return new Promise<number>((resolve, reject) => {
      failed = reject;
      const timer = setTimeout(() => reject(new Error(`no route to ${base} in time`)), DEADLINE_MS);
      waiting.set(base, at => {
        clearTimeout(timer);
        resolve(at);
      });
    });
  };
  return { of, close: () => socket.close() };
}
