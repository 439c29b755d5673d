/**
 * Whether a device leaves the checksums of what it sends to the hardware below it (`tx-checksum-ip-generic` of
 * `ethtool -k`): the port, and the kernel of this process's network namespace behind it.
 */
import { constants } from 'node:os';
import { ETHTOOL_GENL_NAME, GENL_ID_CTRL, NETLINK_GENERIC } from './netlink/constants.js';
import { NetlinkError } from './netlink/errors.js';
import { decodeActiveFeatures, encodeFeaturesGet, encodeFeatureSet } from './netlink/ethtool.js';
import type { Operation } from './netlink/exchange.js';
import { decodeFamilyId, encodeFamilyLookup } from './netlink/genetlink.js';
import { NetlinkSocket } from './netlink/socket.js';
import { openTransport } from './netlink/open-transport.js';

/** A kernel before 5.7 cannot be asked over netlink. */
export type HeldOffload = 'on' | 'off' | 'unsupported';

export interface Offload {
  /** @throws NetlinkError */
  read(device: string): Promise<HeldOffload>;
  /** @throws NetlinkError */
  write(device: string, value: 'on' | 'off'): Promise<void>;
}

/** The feature's name (net/ethtool/common.c, netdev_features_strings). */
export const TX_CHECKSUM_FEATURE = 'tx-checksum-ip-generic';

/** No such family: before 5.6, or built without it. No such message: 5.6. */
const UNSUPPORTED: ReadonlySet<string> = new Set(['ENOENT', 'EOPNOTSUPP']);

export class NetlinkOffload implements Offload {
  readonly #socket: NetlinkSocket;
  #family: number | undefined;

  /** @param socket of protocol NETLINK_GENERIC */
  constructor(socket: NetlinkSocket = new NetlinkSocket(openTransport(NETLINK_GENERIC))) {
    this.#socket = socket;
  }

  async read(device: string): Promise<HeldOffload> {
    try {
      const replies = await this.#request(`features of ${device}`, writer =>
        encodeFeaturesGet(writer, device),
      );
      const isOn = replies[0] !== undefined && decodeActiveFeatures(replies[0].body).has(TX_CHECKSUM_FEATURE);
      return isOn ? 'on' : 'off';
    } catch (error) {
      if (error instanceof NetlinkError && UNSUPPORTED.has(error.code)) return 'unsupported';
      throw error;
    }
  }

  async write(device: string, value: 'on' | 'off'): Promise<void> {
    await this.#request(`${TX_CHECKSUM_FEATURE} ${value} of ${device}`, writer =>
      encodeFeatureSet(writer, device, TX_CHECKSUM_FEATURE, value === 'on'),
    );
  }

  close(): void {
    this.#socket.close();
  }

  async #request(subject: string, write: Operation['write']) {
    this.#family ??= await this.#findFamily();
    return this.#socket.request({ type: this.#family, flags: 0, describe: () => subject, write });
  }

  async #findFamily(): Promise<number> {
    const operation = {
      type: GENL_ID_CTRL,
      flags: 0,
      describe: () => `generic netlink family ${ETHTOOL_GENL_NAME}`,
    };
    const replies = await this.#socket.request({
      ...operation,
      write: writer => encodeFamilyLookup(writer, ETHTOOL_GENL_NAME),
    });
    const family = replies[0] && decodeFamilyId(replies[0].body);
    if (family === undefined)
      throw new NetlinkError('CTRL_CMD_GETFAMILY', constants.errno.ENOENT, operation.describe());
    return family;
  }
}
