/** The host as the agent changes it: a port, so that `selvedge plan` can bring one that only takes notes. */
import type { Logger } from 'pino';
import type { Firewall } from '../dataplane/firewall/firewall.js';
import { SystemFirewall } from '../dataplane/firewall/system-firewall.js';
import type { Kernel } from '../dataplane/kernel.js';
import { listenToKernel, type Listening, type OnConcern } from '../dataplane/kernel-listener.js';
import type { Interests } from '../dataplane/kernel-watch.js';
import { NetlinkKernel } from '../dataplane/netlink-kernel.js';
import type { NetlinkSocket } from '../dataplane/netlink/socket.js';
import type { Readings } from '../dataplane/put-off.js';
import { NetlinkOffload, type Offload } from '../dataplane/offload.js';
import { watchFiles, type WatchFiles } from './file-watch.js';
import { writeFileAtomically, type WriteFile } from './files.js';
import { takeLock, type Holder } from './lock.js';

export interface Host {
  readonly kernel: Kernel;
  readonly offload: Offload;
  readonly firewall: Firewall;
  readonly writeFile: WriteFile;
  readonly watchFiles: WatchFiles;
  /** @throws OperatorError when another agent keeps the device */
  takeDevice(device: string): Promise<void>;
  listen(interests: Interests, readings: () => Readings, onConcern: OnConcern): Listening;
  close(): void;
}

/**
 * This host.
 * @param netlink stays its owner's to close
 * @param holder who takes devices, for those who come too late
 */
export function realHost(netlink: NetlinkSocket, holder: Holder, log: Logger): Host {
  const kernel = new NetlinkKernel(netlink);
  const offload = new NetlinkOffload();
  return {
    kernel,
    offload,
    firewall: new SystemFirewall(),
    writeFile: writeFileAtomically,
    watchFiles,
    takeDevice: async device => {
      await takeLock(`device ${device}`, holder);
    },
    listen: (interests, readings, onConcern) => {
      const devices = () => kernel.devices;
      return listenToKernel({ interests, readings, devices, ownPort: netlink.port, log, onConcern });
    },
    close: () => offload.close(),
  };
}
