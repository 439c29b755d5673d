/**
 * Numbered packets both ways between two namespaces, to find out whether something loses any.
 *
 * In each namespace runs a child process with one UDP socket, see packets-end.ts; this file starts the two, and
 * compares what one sent with what the other got.
 */
import type { Namespace } from '../../src/demo/namespace.js';
import { waitFor } from '../../src/demo/wait.js';
import { Child } from './child.js';
import type { EndReport, EndRequest } from './packets-end.js';

/** A namespace and its address that the other one reaches. */
export interface PacketEnd {
  readonly namespace: Namespace;
  readonly address: string;
}

/** What became of the packets of one direction. */
export interface DirectionCount {
  readonly sent: number;
  /** Different packets that arrived. */
  readonly received: number;
  readonly lost: number;
  /** Packets that arrived once more. */
  readonly duplicates: number;
  /** Longest time between two arrivals, which says how long a loss took; or how long the machine was busy. */
  readonly longestGapMs: number;
  /** Packets of `lost` that the receiver's own kernel dropped because its socket was full: not the network's fault. */
  readonly overflowed: number;
  /** Rate at which they were really sent. */
  readonly sentPerSecond: number;
}

export type PacketCounts = Readonly<Record<'aToB' | 'bToA', DirectionCount>>;

export interface PacketStream {
  /** Counts so far; what is under way counts as lost, so that later no more are lost unless some are. One call at a time. */
  peek(): Promise<PacketCounts>;
  /** Waits until so many more packets were sent in each direction: time with traffic, without a clock. */
  flow(packets: number): Promise<void>;
  /** Stops sending, waits until what is under way has arrived, and counts. The children are gone afterwards. */
  stop(): Promise<PacketCounts>;
  /** Ends the children without counting; does nothing after `stop`. */
  abandon(): void;
}

export interface PacketOptions {
  /** Packets per second in each direction; 1,500 by default, to be well over 1,000 on a busy machine. */
  readonly rate?: number;
  readonly port?: number;
}

type PacketChild = Child<EndRequest, EndReport>;

/** Of a stream that is no longer sent nothing has arrived for so long: what is missing is lost. */
const LATE_SECONDS = 2;

/**
 * Starts the stream; it flows when this returns: both sockets were open before the first packet was sent, and packets
 * have arrived at both ends.
 */
export async function startPackets(
  a: PacketEnd,
  b: PacketEnd,
  { rate = 1500, port = 7007 }: PacketOptions = {},
): Promise<PacketStream> {
  const ends: PacketChild[] = [];
  const abandon = () => ends.forEach(end => end.kill());
  try {
    const stream = Math.floor(Math.random() * 2 ** 32);
    for (const end of [a, b]) ends.push(await startEnd(end, port, stream));
    const [endA, endB] = ends as [PacketChild, PacketChild];
    await Promise.all([
      endA.ask({ kind: 'start', rate, address: b.address, port }),
      endB.ask({ kind: 'start', rate, address: a.address, port }),
    ]);
    await waitFor({
      what: `packets both ways between ${a.address} and ${b.address}`,
      read: () => reportBoth(endA, endB),
      until: reports => reports.every(({ received }) => received > 0),
    });
    const peek = () => peekBoth(endA, endB);
    return {
      peek,
      flow: packets => flowOn(peek, packets),
      stop: () => stopAndCount(endA, endB).finally(abandon),
      abandon,
    };
  } catch (error) {
    abandon();
    throw error;
  }
}

async function stopAndCount(a: PacketChild, b: PacketChild): Promise<PacketCounts> {
  await Promise.all([a.ask({ kind: 'stop' }), b.ask({ kind: 'stop' })]);
  let arrived = 0;
  let lastArrival = performance.now();
  for (;;) {
    const counts = countBoth(await reportBoth(a, b));
    const now = performance.now();
    const received = counts.aToB.received + counts.bToA.received;
    if (received > arrived) lastArrival = now;
    arrived = received;
    const complete = counts.aToB.lost === 0 && counts.bToA.lost === 0;
    if (complete || now >= lastArrival + LATE_SECONDS * 1000) return counts;
  }
}

async function flowOn(peek: PacketStream['peek'], packets: number): Promise<void> {
  const { aToB, bToA } = await peek();
  await waitFor({
    what: `${packets} more packets to be sent`,
    read: peek,
    until: now => Math.min(now.aToB.sent - aToB.sent, now.bToA.sent - bToA.sent) >= packets,
  });
}

function countBoth([a, b]: readonly [EndReport, EndReport]): PacketCounts {
  return { aToB: countDirection(a, b), bToA: countDirection(b, a) };
}

function countDirection(sender: EndReport, receiver: EndReport): DirectionCount {
  return {
    sent: sender.sent,
    received: receiver.received,
    lost: sender.sent - receiver.received,
    duplicates: receiver.duplicates,
    longestGapMs: receiver.longestGapMs,
    overflowed: receiver.overflowed,
    sentPerSecond: sender.sent / (sender.sendingMs / 1000),
  };
}

/** Of each direction the receiver is asked first: what is sent between the two answers may count as lost, never as found. */
async function peekBoth(a: PacketChild, b: PacketChild): Promise<PacketCounts> {
  const [receiverA, endB, senderA] = [
    await a.ask({ kind: 'report' }),
    await b.ask({ kind: 'report' }),
    await a.ask({ kind: 'report' }),
  ];
  return { aToB: countDirection(senderA, endB), bToA: countDirection(endB, receiverA) };
}

function reportBoth(a: PacketChild, b: PacketChild): Promise<[EndReport, EndReport]> {
  return Promise.all([a.ask({ kind: 'report' }), b.ask({ kind: 'report' })]);
}

async function startEnd(
  { namespace, address }: PacketEnd,
  port: number,
  stream: number,
): Promise<PacketChild> {
  const program = new URL('packets-end.js', import.meta.url);
  const args = [address, String(port), String(stream)];
  return (await Child.start<EndRequest, EndReport>(namespace, program, args)).child;
}
