/** Listens to the kernel and calls the reconciler when something of concern was announced. */
import type { Logger } from 'pino';
import { concernOf, type Concern, type Interests } from './kernel-watch.js';
import type { DeviceTable } from './kinds/kind.js';
import { NotificationSocket } from './netlink/notifications.js';

/** Notifications come in flocks; one full read serves those of this many milliseconds. */
const SETTLE_MS = 20;

export interface KernelListenerOptions {
  readonly interests: Interests;
  /** Devices as last read. */
  readonly devices: () => DeviceTable;
  /** Port of the request socket, whose own changes are no news. */
  readonly ownPort: number;
  readonly log: Logger;
  /** Called once for each flock; `devices` when a device or an address was among it. */
  readonly onConcern: (concern: Concern) => void;
}

/**
 * Subscribes at once.
 * @returns closes the subscription
 */
export function listenToKernel(options: KernelListenerOptions): () => void {
  const { interests, devices, ownPort, log, onConcern } = options;
  let pending: Concern | undefined;
  let timer: NodeJS.Timeout | undefined;
  const note = (concern: Concern) => {
    if (pending !== 'devices') pending = concern;
    timer ??= setTimeout(() => {
      const settled = pending;
      pending = undefined;
      timer = undefined;
      if (settled !== undefined) onConcern(settled);
    }, SETTLE_MS);
  };
  const socket = new NotificationSocket({
    onMessage: message => {
      const concern = concernOf(message, interests, devices(), ownPort);
      if (concern !== undefined) note(concern);
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
