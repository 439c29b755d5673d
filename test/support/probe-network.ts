/** A network for the monitor of the probes, without packets on a wire: who answers, and what is too large. */
import type { Outgoing, PeerMonitor } from '../../src/probe/peer-monitor.js';
import { checksumOf, IPV4_HEADER } from '../../src/probe/icmp.js';

/** What becomes of a packet of this size to this address; `mtu`: a router says so. */
export type Answers = (address: string, size: number) => 'answered' | 'silent' | { readonly mtu: number };

/** How long an answer takes. */
const WAY_MS = 5;

/** Lets time pass for the monitor on such a network. @returns all that was sent */
export function answerAs(monitor: PeerMonitor, from: number, ms: number, answers: Answers): Outgoing[] {
  const sent: Outgoing[] = [];
  for (let now = from; now < from + ms; now += WAY_MS) {
    const outgoing = monitor.next(now);
    if (outgoing === undefined) continue;
    sent.push(outgoing);
    const fate = answers(outgoing.address, outgoing.packet.length);
    const at = now + WAY_MS;
    if (fate === 'answered') monitor.receive(replyTo(outgoing), outgoing.address, at);
    else if (fate !== 'silent') monitor.receive(tooLarge(outgoing, fate.mtu), '192.0.2.254', at);
  }
  return sent;
}

/** The echo reply. @param change to its ICMP message, before the checksum is made */
export function replyTo(
  { packet: request }: Outgoing,
  change: (reply: Buffer) => void = () => undefined,
): Buffer {
  const reply = Buffer.from(request.subarray(IPV4_HEADER));
  reply[0] = 0;
  change(reply);
  return received(reply);
}

/** A router's word on it. */
export function tooLarge(outgoing: Outgoing, mtu: number): Buffer {
  return notice(outgoing, 4, mtu);
}

/** A router's word that the host is not there. */
export function hostUnreachable(outgoing: Outgoing): Buffer {
  return notice(outgoing, 1, 0);
}

/** As RFC 792 cuts it. */
function notice({ packet }: Outgoing, code: number, mtu: number): Buffer {
  const original = packet.subarray(0, IPV4_HEADER + 8);
  const message = Buffer.concat([Buffer.from([3, code, 0, 0, 0, 0, 0, 0]), original]);
  message.writeUInt16BE(mtu, 6);
  return received(message);
}

/** An ICMP message with its checksum, behind an IPv4 header. */
function received(message: Buffer): Buffer {
  const sound = Buffer.from(message);
  sound.writeUInt16BE(0, 2);
  sound.writeUInt16BE(checksumOf(sound), 2);
  const header = Buffer.alloc(IPV4_HEADER);
  header[0] = 0x45;
  header.writeUInt16BE(IPV4_HEADER + sound.length, 2);
  header[9] = 1;
  return Buffer.concat([header, sound]);
}
