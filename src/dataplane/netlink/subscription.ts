/** Streams of what the kernel announces, which survive their own overflow. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { RawNetlinkSocket } from 'netlink/dist/raw.js';
import { findLibc, SO_RCVBUFFORCE, SOL_SOCKET, type Libc } from '../../libc/libc.js';
import { NETLINK_ROUTE } from './constants.js';
import { copyFrom } from './copied-subscription.js';
import { canCountLosses, readFrom } from './counted-subscription.js';
import { programWithoutPort } from './port-filter.js';

/** Announcements of some groups, until they are lost or not wanted any more. */
export interface Subscription {
  /** Bytes of a stream of messages, cut anywhere. */
  onData(listener: (bytes: Uint8Array) => void): void;
  /** It has ended by itself: announcements may have been lost, and no more will come. Called at most once. */
  onLost(listener: (reason: string) => void): void;
  /** Hears at once what was announced before this call, where that is possible. Not to be called by a listener. */
  catchUp(): void;
  close(): void;
}

export interface SubscriptionOptions {
  /** NETLINK_ROUTE when left out, or NETLINK_NETFILTER. */
  readonly protocol?: number;
  /** What this port has caused is not announced, where libc can be called; elsewhere it is, with that port. */
  readonly withoutPort?: number;
  /** Bytes that are wished for; RECEIVE_BUFFER_BYTES when left out. */
  readonly receiveBuffer?: number;
  /** To call, or undefined as where it cannot be; found when left out. */
  readonly libc?: Libc | undefined;
}

/**
 * Wished for; without libc the kernel gives no more than net.core.rmem_max, silently. A device of 10,000 peers whose MAC is
 * written announces that within 20 ms, 0.8 KiB each as the kernel counts it.
 */
const RECEIVE_BUFFER_BYTES = 16 * 1024 * 1024;

/**
 * Subscribes to multicast groups. What happens after the return will be heard.
 * @param groups of the protocol, such as RTNLGRP_* numbers
 * @throws an Error when the kernel refuses the socket or a group
 */
export function openSubscription(groups: readonly number[], options: SubscriptionOptions = {}): Subscription {
  const { protocol = NETLINK_ROUTE, receiveBuffer = RECEIVE_BUFFER_BYTES, withoutPort } = options;
  const libc = 'libc' in options ? options.libc : findLibc();
  const socket = new RawNetlinkSocket(protocol, {
    recvBufferSize: receiveBuffer,
    sendBufferSize: 0, // as it is
  });
  let subscription: Subscription | undefined;
  try {
    const descriptor = descriptorOf(socket.address().port, protocol);
    if (libc !== undefined) prepare(libc, descriptor, receiveBuffer, withoutPort);
    const isCounted = libc !== undefined && canCountLosses(libc, descriptor);
    for (const group of groups) socket.addMembership(group);
    if (isCounted) subscription = readFrom(socket, descriptor, libc);
    return subscription ?? copyFrom(descriptor);
  } finally {
    if (subscription === undefined) socket.close();
  }
}

/** What the package has no way to. Nothing depends on its success: less is lost, and less is heard that is no news. */
function prepare(libc: Libc, descriptor: number, receiveBuffer: number, port: number | undefined): void {
  const size = Uint32Array.of(receiveBuffer);
  // Beyond net.core.rmem_max, which is a twentieth of it on most hosts.
  libc.setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, size, size.byteLength);
  if (port !== undefined) libc.attachFilter(descriptor, programWithoutPort(port));
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
