/**
 * A stream of the kernel's announcements that survives its own overflow.
 *
 * A socket that listens to groups can always overflow: taking a VXLAN device of 10,000 peers down announces 10,000
 * neighbours within one call. The native part of the npm package `netlink` 0.3.0 ends the process then: libuv reports
 * POLLERR, and binding.cc makes an error of a null pointer. So the socket only is made with that package; it is handed
 * at once, before it could be polled, to a child that copies what it receives to a pipe. `cat` ends when the socket
 * overflows, which is all we want to know.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { RawNetlinkSocket } from 'netlink/dist/raw.js';
import { findLibc, SO_RCVBUFFORCE, SOL_SOCKET } from '../../libc/libc.js';
import { NETLINK_ROUTE } from './constants.js';
import { programWithoutPort } from './port-filter.js';
import { RECEIVE_BUFFER_BYTES } from './transport.js';

/** Announcements of some groups, until they are lost or not wanted any more. */
export interface Subscription {
  /** Bytes of a stream of messages, cut anywhere. */
  onData(listener: (bytes: Uint8Array) => void): void;
  /** It has ended by itself: announcements may have been lost, and no more will come. Called at most once. */
  onLost(listener: (reason: string) => void): void;
  close(): void;
}

/**
 * Copies descriptor 0 to descriptor 1 until it cannot, or until descriptor 3 ends, which it does with this process,
 * however that dies. The shell lets go of the pipe so that the copy alone holds it.
 */
const PUMP = 'exec 4<&0 </dev/null; cat <&4 & exec >/dev/null 4<&-; read -r _ <&3; kill $!';

export interface SubscriptionOptions {
  /** NETLINK_ROUTE when left out, or NETLINK_NETFILTER. */
  readonly protocol?: number;
  /** What this port has caused is not announced, where libc can be called; elsewhere it is, with that port. */
  readonly withoutPort?: number;
  /** Bytes that are wished for; RECEIVE_BUFFER_BYTES when left out. */
  readonly receiveBuffer?: number;
}

/**
 * Subscribes to multicast groups. What happens after the return will be heard.
 * @param groups of the protocol, such as RTNLGRP_* numbers
 * @throws an Error when the kernel refuses the socket or a group
 */
export function openSubscription(groups: readonly number[], options: SubscriptionOptions = {}): Subscription {
  const { protocol = NETLINK_ROUTE, receiveBuffer = RECEIVE_BUFFER_BYTES, withoutPort } = options;
  const socket = new RawNetlinkSocket(protocol, {
    recvBufferSize: receiveBuffer,
    sendBufferSize: 0, // as it is
  });
  try {
    const descriptor = descriptorOf(socket.address().port, protocol);
    prepare(descriptor, receiveBuffer, withoutPort);
    for (const group of groups) socket.addMembership(group);
    // detached: a Ctrl-C in the terminal is ours to handle.
    const child = spawn('/bin/sh', ['-c', PUMP], {
      stdio: [descriptor, 'pipe', 'ignore', 'pipe'],
      detached: true,
    });
    return subscriptionOf(child);
  } finally {
    socket.close();
  }
}

/** What the package has no way to. Nothing depends on its success: less is lost, and less is heard that is no news. */
function prepare(descriptor: number, receiveBuffer: number, port: number | undefined): void {
  const libc = findLibc();
  if (libc === undefined) return;
  const size = Uint32Array.of(receiveBuffer);
  // Beyond net.core.rmem_max, which is a twentieth of it on most hosts.
  libc.setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, size, size.byteLength);
  if (port !== undefined) libc.attachFilter(descriptor, programWithoutPort(port));
}

function subscriptionOf(child: ChildProcess): Subscription {
  let lifeline: Writable | undefined;
  let onLost: ((reason: string) => void) | undefined;
  const end = (reason: string): void => {
    lifeline?.destroy();
    onLost?.(reason);
    onLost = undefined;
  };
  // First of all: an `error` that nobody listens to ends the process.
  child.on('error', error => end(error.message));
  // Without a descriptor left (EMFILE, ENFILE) there are no pipes, and the `error` that says so comes after our return.
  const output = child.stdout ?? undefined;
  if (output !== undefined) {
    lifeline = child.stdio[3] as Writable;
    lifeline.on('error', () => undefined);
    output.on('close', () => end('the receive buffer overflowed'));
  }
  return {
    onData: listener => void output?.on('data', listener),
    onLost: listener => {
      onLost = listener;
    },
    close: () => {
      onLost = undefined;
      lifeline?.destroy();
      output?.destroy();
    },
  };
}

/** Finds the descriptor of our socket: the package does not tell it, but the kernel lists ports and inodes. */
function descriptorOf(port: number, protocol: number): number {
  const inode = inodeOf(port, protocol);
  const descriptor = readdirSync('/proc/self/fd').find(name => linkOf(name) === `socket:[${inode}]`);
  if (descriptor === undefined) throw new Error(`netlink socket with port ${port} has no descriptor`);
  return Number(descriptor);
}

/** Columns of /proc/net/netlink (net/netlink/af_netlink.c): sk, protocol, port, …, inode last. */
function inodeOf(port: number, protocol: number): string {
  for (const line of readFileSync('/proc/self/net/netlink', 'utf8').split('\n')) {
    const columns = line.trim().split(/\s+/);
    if (Number(columns[1]) === protocol && Number(columns[2]) === port) return columns.at(-1)!;
  }
  throw new Error(`/proc/self/net/netlink does not list port ${port}`);
}

/** Undefined for the descriptor by which the directory was being read. */
function linkOf(name: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${name}`);
  } catch {
    return undefined;
  }
}
