/** Listens to the kernel and calls the reconciler when something of concern was announced. */
import type { Logger } from 'pino';
import { Announcements, type Announced } from './announced.js';
import { concernOf, type Concern, type Interests } from './kernel-watch.js';
import type { DeviceTable } from './kinds/kind.js';
import { NotificationSocket } from './netlink/notifications.js';

/** Notifications come in flocks; one full read serves those of this many milliseconds. */
const SETTLE_MS = 20;

/**
 * Called once for each flock.
 * @param concern `devices` when a device or an address was among it
 * @param announced entries that came or went, where they are few and no device or address was among it
 */
export type OnConcern = (concern: Concern, announced: readonly Announced[]) => void;

export interface KernelListenerOptions {
  readonly interests: Interests;
  /** Devices as last read. */
  readonly devices: () => DeviceTable;
  /** Port of the request socket, whose own changes are no news. */
  readonly ownPort: number;
  readonly log: Logger;
  readonly onConcern: OnConcern;
}

/**
 * Subscribes at once.
 * @returns closes the subscription
 */
export function listenToKernel(options: KernelListenerOptions): () => void {
  const { interests, devices, ownPort, log, onConcern } = options;
  const announcements = new Announcements();
  let pending: Concern | undefined;
  let timer: NodeJS.Timeout | undefined;
  const note = (concern: Concern) => {
    if (pending !== 'devices') pending = concern;
    timer ??= setTimeout(() => {
      const settled = pending;
      const announced = announcements.take();
      pending = undefined;
      timer = undefined;
      if (settled !== undefined) onConcern(settled, settled === 'entries' ? announced : []);
    }, SETTLE_MS);
  };
  const socket = new NotificationSocket({
    onMessage: message => {
      const concern = concernOf(message, interests, devices(), ownPort);
      if (concern === undefined) return;
      if (concern === 'entries') announcements.note(message, devices());
      note(concern);
    },
    onOverflow: reason => {
      log.info({ reason }, 'kernel notifications were lost: everything is read again');
      note('devices');
    },
  });
  return () => {
    clearTimeout(timer);
    socket.close();
  };
}
