/** What the kernel said last of a device, to tell a change from a repetition. Pure but for what it remembers. */
import { RTM_DELLINK, RTM_NEWLINK } from './netlink/constants.js';
import { decodeLink } from './netlink/link.js';
import type { Message } from './netlink/message.js';

/**
 * The kernel announces a device again, unchanged, when another is made on top of it or removed (net/core/rtnetlink.c,
 * `rtnetlink_event` of NETDEV_CHANGEUPPER): each of our tries to make an overlay device announces its underlay.
 */
export class LastWord {
  readonly #name: string;
  #said: string | undefined;

  /** @param name of the device */
  constructor(name: string) {
    this.#name = name;
  }

  /**
   * Remembers what is said of the device.
   * @returns whether this announcement of a device says nothing new of it; false for all else
   * @throws MalformedMessageError
   */
  repeats({ type, body }: Message): boolean {
    if (type !== RTM_NEWLINK && type !== RTM_DELLINK) return false;
    const { name, index, flags, operState, carrier, mtu, linkAddress, master } = decodeLink(body);
    if (name !== this.#name) return false;
    const said = [type, index, flags, operState, carrier, mtu, linkAddress, master].join(' ');
    const isRepeated = said === this.#said;
    this.#said = said;
    return isRepeated;
  }
}
