/**
 * The request socket's way to the kernel over the raw socket of the npm package `netlink`, where libc cannot be called.
 *
 * Three things about that package's native part (0.3.0, src/binding.cc) shape this file: an exception in a callback
 * ends the process; closing while one of its callbacks runs can crash it; and when the receive buffer overflows while
 * the event loop is elsewhere, it ends the process, whatever listens for errors. The first two are dealt with here, the
 * third by the request socket, which never asks for more answers at once than the buffer holds.
 */
import { RawNetlinkSocket } from 'netlink/dist/raw.js';
import {
  answerCapacityOf,
  DATAGRAM_BYTES,
  guarded,
  RECEIVE_BUFFER_BYTES,
  type Transport,
} from './transport.js';

/**
 * Opens a socket in the process's network namespace.
 * @param protocol NETLINK_ROUTE or NETLINK_GENERIC
 * @throws an Error with `code` when the kernel refuses
 */
export function openPackageTransport(protocol: number): Transport {
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
    answerCapacity: answerCapacityOf(socket.getRecvBufferSize()),
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
