/**
 * One end of knocks, a program: `node knocks-end.js PORT FIRST`, in its namespace, with an IPC channel.
 *
 * It notes the source address of every packet that arrives, as a capture would, and sends packets each from a port of
 * its own: for the packet filter each is a new connection. A port that comes again within half a minute would be an old
 * one, translated as that was when it began: they are counted up from FIRST.
 */
import { createSocket } from 'node:dgram';
import { readDrops } from './udp-drops.js';

export type KnockRequest =
  | {
      readonly kind: 'send';
      readonly address: string;
      readonly count: number;
      /** Source address; the kernel's choice by default. */
      readonly from?: string;
    }
  | { readonly kind: 'start'; readonly address: string }
  | { readonly kind: 'stop' }
  | { readonly kind: 'forget' }
  | { readonly kind: 'report' };

export interface KnockReport {
  readonly sent: number;
  /** Packets by the source address that they bore when they arrived. */
  readonly arrivals: Readonly<Record<string, number>>;
  /** Packets that arrived and found no room in our socket. */
  readonly overflowed: number;
}

const PAUSE_MS = 2;

const [port = 0, firstSourcePort = 0] = process.argv.slice(2).map(Number);
const listener = createSocket('udp4');
let arrivals: Record<string, number> = {};
let sent = 0;
let dropsBefore = 0;
let sourcePort = firstSourcePort;
let timer: NodeJS.Timeout | undefined;
let underWay = new Set<Promise<void>>();

listener.on('message', (_, { address }) => (arrivals[address] = (arrivals[address] ?? 0) + 1));
listener.bind(port, () => report());

process.on('message', (request: KnockRequest) => void answer(request));
process.on('disconnect', () => process.exit());

function report(): void {
  process.send!({ sent, arrivals, overflowed: readDrops(port) - dropsBefore } satisfies KnockReport);
}

async function answer(request: KnockRequest): Promise<void> {
  switch (request.kind) {
    case 'send':
      for (let i = 0; i < request.count; i++) await knock(request.address, request.from);
      break;
    case 'start':
      underWay = new Set();
      timer = setInterval(() => underWay.add(knock(request.address)), PAUSE_MS);
      break;
    case 'stop':
      clearInterval(timer);
      await Promise.all(underWay);
      break;
    case 'forget':
      arrivals = {};
      sent = 0;
      dropsBefore = readDrops(port);
      break;
    case 'report':
      break;
  }
  report();
}

function knock(address: string, from?: string): Promise<void> {
  return new Promise(resolve => {
    const socket = createSocket('udp4');
    const done = () => {
      socket.close();
      resolve();
    };
    // What the own packet filter refuses is lost as well.
    socket.on('error', done);
    socket.bind({ port: sourcePort++, ...(from !== undefined && { address: from }) }, () => {
      sent++;
      socket.send('knock', port, address, done);
    });
  });
}
