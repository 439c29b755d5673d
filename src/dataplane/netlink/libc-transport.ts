/**
 * The request socket's way to the kernel over libc's own calls.
 *
 * The kernel carries a request out within `send` and has its answers ready by then, so that nothing is waited for: what
 * there is to hear is read when the call returns. A large datagram is sent on another thread, and this one prepares the
 * next meanwhile: at a start with ten thousand peers the kernel's part is the larger half.
 */
import { constants } from 'node:os';
import { libcError, MSG_DONTWAIT, MSG_TRUNC, SOCK_CLOEXEC, SOCK_RAW, type Libc } from '../../libc/libc.js';
import {
  answerCapacityOf,
  DATAGRAM_BYTES,
  guarded,
  RECEIVE_BUFFER_BYTES,
  type Transport,
} from './transport.js';

const { EAGAIN, EBADF, EINTR, ENOBUFS } = constants.errno;

/** From linux/socket.h and asm-generic/socket.h. */
const AF_NETLINK = 16;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;

/** struct sockaddr_nl of linux/netlink.h: family, padding, port id, groups. */
const ADDRESS_BYTES = 12;
const ADDRESS_PORT = 4;

/** Of fewer, a turn of another thread costs more than the call. */
const BACKGROUND_BYTES = 4096;

type Callback = (error?: Error) => void;

/**
 * Opens a socket in the process's network namespace.
 * @param protocol NETLINK_ROUTE or NETLINK_GENERIC
 * @param receiveBuffer bytes that are wished for
 * @throws an Error with `code` when the kernel refuses
 */
export function openLibcTransport(
  libc: Libc,
  protocol: number,
  receiveBuffer = RECEIVE_BUFFER_BYTES,
): Transport {
  const socket = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (socket < 0) throw libcError('socket', libc.errno());
  try {
    return new LibcTransport(libc, socket, receiveBuffer);
  } catch (error) {
    libc.close(socket);
    throw error;
  }
}

class LibcTransport implements Transport {
  readonly port: number;
  readonly answerCapacity: number;
  readonly #libc: Libc;
  readonly #socket: number;
  readonly #received = new Uint8Array(DATAGRAM_BYTES);
  /** An address that the kernel tells, and its length. */
  readonly #address = new DataView(new ArrayBuffer(ADDRESS_BYTES));
  readonly #addressBytes = new Uint8Array(this.#address.buffer);
  readonly #addressLength = Uint32Array.of(ADDRESS_BYTES);
  #onMessage: (bytes: Uint8Array, sender: number) => void = () => undefined;
  #onError: (error: Error) => void = () => undefined;
  #isSending = false;
  #closed = false;

  constructor(libc: Libc, socket: number, receiveBuffer: number) {
    this.#libc = libc;
    this.#socket = socket;
    // Host byte order, as all of Node's platforms with binaries have it; port 0: the kernel chooses one.
    this.#address.setUint16(0, AF_NETLINK, true);
    const size = Uint32Array.of(receiveBuffer);
    this.#must('bind', libc.bind(socket, this.#addressBytes, ADDRESS_BYTES));
    this.#must('getsockname', libc.getsockname(socket, this.#addressBytes, this.#addressLength));
    this.#must('setsockopt', libc.setsockopt(socket, SOL_SOCKET, SO_RCVBUF, size, size.byteLength));
    const sizeLength = Uint32Array.of(size.byteLength);
    this.#must('getsockopt', libc.getsockopt(socket, SOL_SOCKET, SO_RCVBUF, size, sizeLength));
    this.port = this.#address.getUint32(ADDRESS_PORT, true);
    this.answerCapacity = answerCapacityOf(size[0]!);
  }

  send(bytes: Uint8Array, callback: Callback): void {
    const done = guarded(callback);
    if (this.#closed) {
      done(libcError('send', EBADF));
      return;
    }
    if (bytes.length < BACKGROUND_BYTES) {
      const result = this.#libc.send(this.#socket, bytes, bytes.length, 0);
      this.#sent(result, result < 0 ? this.#libc.errno() : 0, done);
      return;
    }
    this.#isSending = true;
    this.#libc.sendInBackground(this.#socket, bytes, bytes.length, 0, (result, errno) => {
      this.#isSending = false;
      if (this.#closed) this.#libc.close(this.#socket);
      else this.#sent(result, errno, done);
    });
  }

  onMessage(listener: (bytes: Uint8Array, sender: number) => void): void {
    this.#onMessage = guarded(listener);
  }

  onError(listener: (error: Error) => void): void {
    this.#onError = guarded(listener);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // The number of a descriptor that another thread is using must not become somebody else's.
    if (!this.#isSending) this.#libc.close(this.#socket);
  }

  #sent(result: number, errno: number, callback: Callback): void {
    if (result >= 0) this.#hearAll();
    callback(result < 0 ? libcError('send', errno) : undefined);
  }

  /** Reads until there is nothing more; the kernel continues a dump as its parts are read. */
  #hearAll(): void {
    while (!this.#closed) {
      const length = this.#receive();
      if (length >= 0) {
        this.#deliver(length);
        continue;
      }
      const errno = this.#libc.errno();
      if (errno === EAGAIN) return;
      if (errno === EINTR) continue;
      this.#onError(libcError('recvfrom', errno));
      // Answers have been lost; what came before and after can be read.
      if (errno !== ENOBUFS) return;
    }
  }

  #receive(): number {
    this.#addressLength[0] = ADDRESS_BYTES;
    const [bytes, flags] = [this.#received, MSG_DONTWAIT | MSG_TRUNC];
    return this.#libc.recvfrom(
      this.#socket,
      bytes,
      bytes.length,
      flags,
      this.#addressBytes,
      this.#addressLength,
    );
  }

  #deliver(length: number): void {
    if (length > this.#received.length) {
      this.#onError(new Error(`a datagram of ${length} bytes was cut short`));
      return;
    }
    // A copy: the next datagram comes to the same place.
    this.#onMessage(this.#received.slice(0, length), this.#address.getUint32(ADDRESS_PORT, true));
  }

  #must(call: string, result: number): void {
    if (result < 0) throw libcError(call, this.#libc.errno());
  }
}
