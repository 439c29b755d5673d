/** What the request socket asks of its way to the kernel. */

/** What carries bytes to a kernel and back; a test puts its own kernel behind it. */
export interface Transport {
  /** Our port id: nlmsg_pid of what the kernel announces because of us. */
  readonly port: number;
  /** So many messages may be under way at once: their answers fit the receive buffer, even if all are refusals. */
  readonly answerCapacity: number;
  /** Sends one datagram, after those before. The bytes must stay as they are until the callback. */
  send(bytes: Uint8Array, callback: (error?: Error) => void): void;
  /** @param listener is told the port id of the sender, 0 for the kernel */
  onMessage(listener: (bytes: Uint8Array, sender: number) => void): void;
  onError(listener: (error: Error) => void): void;
  close(): void;
}

/** Wished for; without privileges the kernel gives no more than net.core.rmem_max, silently. */
export const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * What a refusal takes of the receive buffer, which is more than its bytes: 832 on Linux 6.18 (256 fit the default buffer
 * of 212,992 bytes), and some more for a longer message or another kernel.
 */
const ANSWER_BYTES = 1024;

/** The most that the kernel puts into one datagram of a dump (net/netlink/af_netlink.c). */
export const DATAGRAM_BYTES = 32_768;

/** How many answers such a buffer holds. @param receiveBuffer as the kernel counts it, bytes */
export function answerCapacityOf(receiveBuffer: number): number {
  return Math.floor(receiveBuffer / ANSWER_BYTES);
}

/** The same function, whose exceptions are thrown outside of the native callback that called it. */
export function guarded<A extends unknown[]>(listener: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      listener(...args);
    } catch (error) {
      setImmediate(() => {
        throw error;
      });
    }
  };
}
