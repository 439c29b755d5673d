/** ICMP as bytes, against packets that a kernel sent. */
import fc from 'fast-check';
import t from 'tap';
import { checksumOf, decodeIcmp, encodeEchoRequest, SMALLEST_PACKET } from '../../../src/probe/icmp.js';

const bytes = (hex: string) => Buffer.from(hex, 'hex');
const COOKIE = Buffer.from('selvedge');
const request = {
  ...{ identifier: 0x1234, sequence: 1, cookie: COOKIE },
  ...{ destination: '10.5.2.0', mayFragment: false },
};

/** From 10.5.2.0, to the request below. */
const REPLY = '45000024fc270000400167a80a0502000a050100000041251234000173656c7665646765';
/** From the router 10.77.1.254, about a request of 1,500 bytes to 10.77.2.1; as a router of RFC 792 would cut it. */
const TOO_LARGE =
  '45c00038f6a90000400169bb0a4d01fe0a4d0101' +
  '03046f5800000578' +
  '450005dc0000400040011d860a4d01010a4d0201' +
  '0800392412340002';

const bodyOf = (packet: Buffer) => packet.subarray(20);

t.test('an echo request', async t => {
  const small = encodeEchoRequest({ ...request, packetSize: SMALLEST_PACKET });
  t.equal(bodyOf(small).toString('hex'), '080039251234000173656c7665646765');
  const header = small.subarray(0, 20).toString('hex');
  t.equal(header, '4500000000004000400100000000000' + '00a050200', 'the kernel fills in the rest');
  const large = encodeEchoRequest({ ...request, packetSize: 1500, mayFragment: true });
  t.equal(large.length, 1500);
  t.equal(large.readUInt16BE(6), 0);
  t.equal(checksumOf(bodyOf(large)), 0);
  t.equal(checksumOf(bodyOf(encodeEchoRequest({ ...request, packetSize: 1499 }))), 0, 'of an odd length');
});

t.test('what comes in', async t => {
  t.same(decodeIcmp(bytes(REPLY)), {
    kind: 'echo-reply',
    echo: { identifier: 0x1234, sequence: 1 },
    data: COOKIE,
  });
  const message = bytes(TOO_LARGE);
  message.writeUInt16BE(0, 22);
  message.writeUInt16BE(checksumOf(message.subarray(20)), 22);
  t.same(decodeIcmp(message), {
    kind: 'too-large',
    echo: { identifier: 0x1234, sequence: 2 },
    destination: '10.77.2.1',
    mtu: 1400,
  });
  message[21] = 3;
  message.writeUInt16BE(0, 22);
  message.writeUInt16BE(checksumOf(message.subarray(20)), 22);
  t.same(decodeIcmp(message), { kind: 'unreachable', destination: '10.77.2.1' });
  const ours = encodeEchoRequest({ ...request, packetSize: SMALLEST_PACKET });
  ours.writeUInt16BE(SMALLEST_PACKET, 2);
  t.same(decodeIcmp(ours), { kind: 'other' }, 'a request');
});

t.test('garbage is called so', async t => {
  const changed = (at: number, value: number) => {
    const packet = bytes(REPLY);
    packet[at] = value;
    return packet;
  };
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [Buffer.alloc(0), /shorter than an IPv4 header/],
    [changed(0, 0x65), /not IPv4/],
    [changed(0, 0x44), /length of the IPv4 header/],
    [changed(9, 17), /not ICMP/],
    [changed(3, 0xff), /cut short/],
    [changed(3, 21), /shorter than an ICMP header/],
    [changed(30, 0), /checksum/],
  ];
  for (const [packet, reason] of cases)
    t.match(decodeIcmp(packet), { kind: 'malformed', reason }, String(reason));
});

t.test('nothing that comes in throws', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (random, isSound) => {
      const packet = Buffer.from(random);
      if (isSound && packet.length > 28) {
        // Past the first checks, with a sound checksum over what is random.
        packet.set([0x45, 0, 0, packet.length]);
        packet[9] = 1;
        packet.set([3, random[21]! % 5, 0, 0], 20);
        packet.writeUInt16BE(checksumOf(packet.subarray(20)), 22);
      }
      decodeIcmp(packet);
    }),
  );
});
