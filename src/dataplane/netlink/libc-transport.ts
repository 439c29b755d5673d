/**
 * The request socket's way to the kernel over libc's own calls.
 *
 * The kernel carries a request out within `send` and has its answers ready by then, so that nothing is waited for: what
 * there is to hear is read when the call returns. A large datagram is sent on another thread, and this one prepares the
 * next meanwhile: at a start with ten thousand peers the kernel's part is the larger half. What comes while that thread
 * is at work it is given in one: waking it takes as long as some hundred messages do.
 */
import { constants } from 'node:os';
import {
  AF_NETLINK,
  libcError,
  MSG_DONTWAIT,
  MSG_TRUNC,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_SNDBUF,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_SOCKET,
  type Libc,
} from '../../libc/libc.js';
import {
  answerCapacityOf,
  DATAGRAM_BYTES,
  guarded,
  RECEIVE_BUFFER_BYTES,
  type Transport,
} from './transport.js';

const { EAGAIN, EBADF, EINTR, ENOBUFS } = constants.errno;

/** struct sockaddr_nl of linux/netlink.h: family, padding, port id, groups. */
const ADDRESS_BYTES = 12;
const ADDRESS_PORT = 4;

/** Of fewer, a turn of another thread costs more than the call. */
const BACKGROUND_BYTES = 4096;

/** What the kernel takes of the send buffer besides a datagram's bytes (net/netlink/af_netlink.c: 32). */
const SEND_OVERHEAD = 32;

type Callback = (error?: Error) => void;

/** A datagram to be sent, and who is to be told. */
interface Datagram {
  readonly bytes: Uint8Array;
  readonly done: Callback;
}

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
  /** The longest datagram that the kernel takes, bytes. */
  readonly #longest: number;
  /** What waits for the other thread, which is at work. */
  #waiting: Datagram[] = [];
  /** What the other thread is reading; nobody else may hold it, and then only this keeps it from the collector. */
  #sending: Uint8Array | undefined;
  #closed = false;

  constructor(libc: Libc, socket: number, receiveBuffer: number) {
    this.#libc = libc;
    this.#socket = socket;
    // Host byte order, as all of Node's platforms with binaries have it; port 0: the kernel chooses one.
    this.#address.setUint16(0, AF_NETLINK, true);
    this.#must('bind', libc.bind(socket, this.#addressBytes, ADDRESS_BYTES));
    this.#must('getsockname', libc.getsockname(socket, this.#addressBytes, this.#addressLength));
    this.port = this.#address.getUint32(ADDRESS_PORT, true);
    this.answerCapacity = answerCapacityOf(this.#setReceiveBuffer(receiveBuffer));
    this.#longest = this.#option(SO_SNDBUF) - SEND_OVERHEAD;
  }

  send(bytes: Uint8Array, callback: Callback): void {
    const done = guarded(callback);
    if (this.#closed) done(libcError('send', EBADF));
    else if (this.#sending !== undefined) this.#waiting.push({ bytes, done });
    else if (bytes.length >= BACKGROUND_BYTES) this.#sendInBackground([{ bytes, done }]);
    else {
      const result = this.#libc.send(this.#socket, bytes, bytes.length, 0);
      const errno = result < 0 ? this.#libc.errno() : 0;
      this.#hear(errno);
      done(errno === 0 ? undefined : libcError('send', errno));
    }
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
    if (this.#sending === undefined) this.#libc.close(this.#socket);
  }

  /** @param datagrams are sent as one: to the kernel their messages are the same */
  #sendInBackground(datagrams: readonly Datagram[]): void {
    const bytes =
      datagrams.length === 1 ? datagrams[0]!.bytes : Buffer.concat(datagrams.map(each => each.bytes));
    this.#sending = bytes;
    this.#libc.sendInBackground(this.#socket, bytes, bytes.length, 0, (result, errno) => {
      this.#sending = undefined;
      if (this.#closed) {
        this.#libc.close(this.#socket);
        return;
      }
      const next = this.#takeWaiting();
      // First of all: the kernel need not wait for us.
      if (next.length > 0) this.#sendInBackground(next);
      this.#hear(errno);
      for (const { done } of datagrams) done(result < 0 ? libcError('send', errno) : undefined);
    });
  }

  /** @returns what waits, as much as fits one datagram, and one at least */
  #takeWaiting(): Datagram[] {
    let length = 0;
    let count = 0;
    for (const { bytes } of this.#waiting) {
      length += bytes.length;
      if (count > 0 && length > this.#longest) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  /** Reads the answers to what was sent. @param errno 0 unless it was not */
  #hear(errno: number): void {
    if (errno === 0) this.#hearAll();
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

  /** @param wished bytes. @returns what there is now, as the kernel counts it */
  #setReceiveBuffer(wished: number): number {
    const size = Uint32Array.of(wished);
    const set = (option: number) =>
      this.#libc.setsockopt(this.#socket, SOL_SOCKET, option, size, size.byteLength);
    // Beyond net.core.rmem_max, if we are privileged (CAP_NET_ADMIN, as whoever may change the network is).
    if (set(SO_RCVBUFFORCE) < 0) this.#must('setsockopt', set(SO_RCVBUF));
    return this.#option(SO_RCVBUF);
  }

  #option(option: number): number {
    const value = new Uint32Array(1);
    const length = Uint32Array.of(value.byteLength);
    this.#must('getsockopt', this.#libc.getsockopt(this.#socket, SOL_SOCKET, option, value, length));
    return value[0]!;
  }

  #must(call: string, result: number): void {
    if (result < 0) throw libcError(call, this.#libc.errno());
  }
}
