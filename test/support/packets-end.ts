/**
 * One end of a packet stream, a program: `node packets-end.js ADDRESS PORT STREAM`, in its namespace, with an IPC channel.
 *
 * It opens its socket and reports; then answers every request with a report. A packet is 8 bytes: the stream's number,
 * so that packets of another stream do not count, and the packet's own, from 0 without gaps; both big-endian.
 */
import { createSocket } from 'node:dgram';
import { setPriority } from 'node:os';
import { readDrops } from './udp-drops.js';

export type EndRequest =
  | {
      readonly kind: 'start';
      /** Packets per second. */
      readonly rate: number;
      readonly address: string;
      readonly port: number;
    }
  | { readonly kind: 'stop' }
  | { readonly kind: 'report' };

export interface EndReport {
  /** Packets numbered, those included that the kernel did not take: they are lost too. */
  readonly sent: number;
  readonly sendingMs: number;
  readonly received: number;
  readonly duplicates: number;
  readonly longestGapMs: number;
  readonly overflowed: number;
}

/** At most so many packets at once when we catch up: a burst must not fill the other end's socket. */
const MAX_BURST = 100;
/** Asked for; the kernel gives up to net.core.rmem_max. */
const RECEIVE_BUFFER_BYTES = 4 << 20;

const [address = '', portText = '', streamText = ''] = process.argv.slice(2);
const stream = Number(streamText);
const socket = createSocket('udp4');

let sent = 0;
let startedAt = 0;
let stoppedAt: number | undefined;
let timer: NodeJS.Timeout | undefined;

const seen = new Set<number>();
let duplicates = 0;
let longestGapMs = 0;
let lastArrival: number | undefined;

socket.on('message', packet => {
  if (packet.length !== 8 || packet.readUInt32BE(0) !== stream) return;
  const now = performance.now();
  if (lastArrival !== undefined) longestGapMs = Math.max(longestGapMs, now - lastArrival);
  lastArrival = now;
  const number = packet.readUInt32BE(4);
  if (seen.has(number)) duplicates++;
  else seen.add(number);
});

// A busy machine must not keep us from emptying the socket: what overflows there looks like a loss.
try {
  setPriority(-15);
} catch {
  // Without the right to it the stream still works, and the overflow is in the report.
}

process.on('message', (request: EndRequest) => {
  switch (request.kind) {
    case 'start':
      startedAt = performance.now();
      timer = setInterval(() => sendDue(request), 1);
      break;
    case 'stop':
      clearInterval(timer);
      stoppedAt = performance.now();
      break;
    case 'report':
      break;
  }
  report();
});
process.on('disconnect', () => process.exit(0));

socket.bind({ address, port: Number(portText) }, () => {
  socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  report();
});

/**
 * Sends what is due by the clock, so that a late timer changes the spacing and not the rate. What the kernel does not
 * take at once is lost: kept here and sent later, it would hide that nothing got through.
 */
function sendDue(to: Extract<EndRequest, { kind: 'start' }>): void {
  const due = Math.floor(((performance.now() - startedAt) / 1000) * to.rate);
  const blocked = socket.getSendQueueCount() > 0;
  for (let burst = 0; sent < due && burst < MAX_BURST; burst++) {
    const packet = Buffer.alloc(8);
    packet.writeUInt32BE(stream, 0);
    packet.writeUInt32BE(sent++, 4);
    if (blocked) continue;
    // An error means that this packet is lost, which the other end's count shows.
    socket.send(packet, to.port, to.address, () => undefined);
  }
}

function report(): void {
  const sendingMs = (stoppedAt ?? performance.now()) - startedAt;
  const answer: EndReport = {
    sent,
    sendingMs,
    received: seen.size,
    duplicates,
    longestGapMs,
    overflowed: readDrops(Number(portText)),
  };
  process.send?.(answer);
}
