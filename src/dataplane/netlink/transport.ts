/**
 * The request socket's way to the kernel, over the raw socket of the npm package `netlink`.
 *
 * Three things about that package's native part (0.3.0, src/binding.cc) shape this file: an exception in a callback
 * ends the process; closing while one of its callbacks runs can crash it; and when the receive buffer overflows while
 * the event loop is elsewhere, it ends the process, whatever listens for errors. The first two are dealt with here, the
 * third by the request socket, which never asks for more answers at once than the buffer holds.
 */
import { RawNetlinkSocket } from 'netlink';
import { NETLINK_ROUTE } from './constants.js';

/** What carries bytes to a kernel and back; a test puts its own kernel behind it. */
export interface Transport {
  /** Our port id: nlmsg_pid of what the kernel announces because of us. */
  readonly port: number;
  /** So many messages may be under way at once: their answers fit the receive buffer, even if all are refusals. */
  readonly answerCapacity: number;
  /** Sends one datagram. The bytes must stay as they are until the callback. */
  send(bytes: Uint8Array, callback: (error?: Error) => void): void;
  /** @param listener is told the port id of the sender, 0 for the kernel */
  onMessage(listener: (bytes: Uint8Array, sender: number) => void): void;
  onError(listener: (error: Error) => void): void;
  close(): void;
}

/** Wished for; the kernel silently gives no more than net.core.rmem_max. */
export const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * What a refusal takes of the receive buffer, which is more than its bytes: 832 on Linux 6.18 (256 fit the default buffer
 * of 212,992 bytes), and some more for a longer message or another kernel.
 */
const ANSWER_BYTES = 1024;

/** The most that the kernel puts into one datagram of a dump (net/netlink/af_netlink.c). */
const DATAGRAM_BYTES = 32_768;

/**
 * Opens a socket in the process's network namespace.
 * @param protocol NETLINK_ROUTE or NETLINK_GENERIC
 * @throws an Error with `code` when the kernel refuses
 */
export function openTransport(protocol = NETLINK_ROUTE): Transport {
  const socket = new RawNetlinkSocket(protocol, {
    // A buffer of our own choice halves the system calls, and lets the kernel fill larger datagrams.
    messagePeeking: false,
    msgBufferSize: DATAGRAM_BYTES,
    recvBufferSize: RECEIVE_BUFFER_BYTES,
    sendBufferSize: 0, // as it is
  });
  socket.on('error', () => undefined);
  return {
    port: socket.address().port,
    answerCapacity: Math.floor(socket.getRecvBufferSize() / ANSWER_BYTES),
    send: (bytes, callback) => socket.send(bytes, {}, guarded(callback)),
    onMessage: listener => {
      const deliver = guarded(listener);
      socket.on('message', (bytes, info) => deliver(bytes, info.port));
    },
    onError: listener => {
      const deliver = guarded(listener);
      socket.on('error', deliver);
      socket.on('truncatedMessage', (_, info) =>
        deliver(new Error(`a datagram of ${info.truncated ?? 0} bytes was cut short`)),
      );
    },
    close: () => void setImmediate(() => socket.close()),
  };
}

/** The same function, whose exceptions are thrown outside of the native callback that called it. */
function guarded<A extends unknown[]>(listener: (...args: A) => void): (...args: A) => void {
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
