/** A raw ICMP socket of the kernel, by the optional package raw-socket. Effects. */
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { IpAddress } from '../address/ip.js';
import { ICMP_ECHO_REPLY, ICMP_UNREACHABLE } from './icmp.js';
import type { Outgoing } from './peer-monitor.js';

/** Why there are no probes, for an operator, with what to do. */
export class ProbesUnavailableError extends Error {
  override readonly name = 'ProbesUnavailableError';
  constructor(
    seen: string,
    readonly remedy: string,
  ) {
    super(seen);
  }
}

export interface IcmpHandlers {
  /** @param packet is overwritten by the next one */
  readonly onPacket: (packet: Uint8Array, source: IpAddress) => void;
  /** A packet could not be sent. @param isTooLarge for the device that it was to leave by */
  readonly onSendError: (sequence: number, isTooLarge: boolean) => void;
  /** The socket has ended by itself. */
  readonly onEnd: (reason: string) => void;
}

export interface IcmpSocket {
  send(outgoing: Outgoing): void;
  close(): void;
}

/** What we use of raw-socket, which has no types. */
interface RawSocket extends EventEmitter {
  send(
    buffer: Buffer,
    offset: number,
    length: number,
    address: string,
    afterSend: (error: Error | null) => void,
  ): void;
  setOption(level: number, option: number, value: number): void;
  close(): void;
}

interface RawSocketModule {
  createSocket(options: { readonly protocol: number; readonly bufferSize: number }): RawSocket;
}

// <netinet/in.h>, <linux/in.h>, <linux/icmp.h>
const IPPROTO_ICMP = 1;
const IPPROTO_IP = 0;
/** Our packets bring their IPv4 header along, which says whether they may be fragmented. */
const IP_HDRINCL = 3;
const IP_MTU_DISCOVER = 10;
/**
 * The kernel's cache of path MTUs neither limits our packets nor learns from them. IP_PMTUDISC_PROBE would let it learn: the
 * tunnel, and containers with it, would shrink their packets to this peer for ten minutes after each probe.
 */
const IP_PMTUDISC_INTERFACE = 4;
const SOL_RAW = 255;
const ICMP_FILTER = 1;

/** No IPv4 packet is larger. */
const LARGEST_PACKET = 65_535;
/** raw-socket throws the text of strerror and no code. */
const EMSGSIZE = 'Message too long';
const EPERM = 'Operation not permitted';

/** @throws ProbesUnavailableError when the package was not built, or raw sockets are not for us */
export function openIcmpSocket(handlers: IcmpHandlers): IcmpSocket {
  const module = loadRawSocket();
  const socket = createSocket(module);
  let isClosed = false;
  // A fault of one reception: the package goes on reading, unless it says "close" after it.
  let lastError = 'closed';
  socket.on('error', (error: Error) => (lastError = error.message));
  socket.on('close', () => {
    if (!isClosed) handlers.onEnd(lastError);
    isClosed = true;
  });
  socket.on('message', handlers.onPacket);
  // A host gets far more ICMP than what is for us: all else is dropped by the kernel.
  socket.setOption(SOL_RAW, ICMP_FILTER, ~((1 << ICMP_ECHO_REPLY) | (1 << ICMP_UNREACHABLE)) >>> 0);
  socket.setOption(IPPROTO_IP, IP_HDRINCL, 1);
  socket.setOption(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_INTERFACE);
  return {
    send({ sequence, address, packet }) {
      if (isClosed) return;
      socket.send(packet, 0, packet.length, address, error => {
        if (error !== null) handlers.onSendError(sequence, error.message === EMSGSIZE);
      });
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      socket.close();
    },
  };
}

function loadRawSocket(): RawSocketModule {
  try {
    return createRequire(import.meta.url)('raw-socket') as RawSocketModule;
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    const [reason = ''] = message.split('\n', 1);
    const seen = `the optional package raw-socket cannot be loaded: ${reason}`;
    // npm takes the package away where it could not be built, so that there is nothing to rebuild.
    const isMissing = code === 'MODULE_NOT_FOUND' && reason.includes("'raw-socket'");
    throw new ProbesUnavailableError(
      seen,
      isMissing
        ? 'apt-get install python3 make g++, then install selvedge again as before, without --omit=optional'
        : 'apt-get install python3 make g++; npm rebuild raw-socket where selvedge is installed',
    );
  }
}

function createSocket(module: RawSocketModule): RawSocket {
  try {
    return module.createSocket({ protocol: IPPROTO_ICMP, bufferSize: LARGEST_PACKET });
  } catch (error) {
    const { message } = error as Error;
    throw new ProbesUnavailableError(
      `no raw socket: ${message}`,
      message === EPERM
        ? 'give the agent CAP_NET_RAW, as selvedge.service does (AmbientCapabilities, CapabilityBoundingSet)'
        : 'ulimit -n; journalctl -u selvedge',
    );
  }
}
