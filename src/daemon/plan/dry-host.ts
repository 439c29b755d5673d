/** This host on paper: read as it is, changed in notes alone. */
import { SystemFirewall } from '../../dataplane/firewall/system-firewall.js';
import { NetlinkKernel } from '../../dataplane/netlink-kernel.js';
import { NetlinkError } from '../../dataplane/netlink/errors.js';
import type { NetlinkSocket } from '../../dataplane/netlink/socket.js';
import { NetlinkOffload, TX_CHECKSUM_FEATURE, type HeldOffload } from '../../dataplane/offload.js';
import { readFileIfPresent } from '../files.js';
import type { Host } from '../host.js';
import type { NoteChange } from './changes.js';
import { dryFirewall } from './dry-firewall.js';
import { DryKernel } from './dry-kernel.js';

/** @param netlink stays its owner's to close */
export function dryHost(netlink: NetlinkSocket, note: NoteChange): Host {
  const offload = new NetlinkOffload();
  const switched = new Map<string, HeldOffload>();
  const written = new Map<string, string>();
  return {
    kernel: new DryKernel(new NetlinkKernel(netlink), note),
    offload: {
      read: async device => switched.get(device) ?? (await readOffload(offload, device)),
      write: (device, value) => {
        switched.set(device, value);
        note({
          where: 'kernel',
          action: 'change',
          what: `device ${device}: ${TX_CHECKSUM_FEATURE} ${value}`,
        });
        return Promise.resolve();
      },
    },
    firewall: dryFirewall(new SystemFirewall(), note),
    writeFile: async (path, contents, how) => {
      const present = written.get(path) ?? (await readFileIfPresent(path).catch(() => undefined));
      if (present === contents || (how === 'if-absent' && present !== undefined)) return 'unchanged';
      written.set(path, contents);
      note({ where: 'file', action: 'write', what: path });
      return 'written';
    },
    watchFiles: (_, signal) => ({ touched: signal, close: () => undefined }),
    // An agent that runs keeps it, and may.
    takeDevice: () => Promise.resolve(),
    listen: () => ({ catchUp: () => undefined, close: () => undefined }),
    close: () => offload.close(),
  };
}

/** A device that does not exist yet would be made with it on. */
async function readOffload(offload: NetlinkOffload, device: string): Promise<HeldOffload> {
  try {
    return await offload.read(device);
  } catch (error) {
    if (error instanceof NetlinkError && error.code === 'ENODEV') return 'on';
    throw error;
  }
}
