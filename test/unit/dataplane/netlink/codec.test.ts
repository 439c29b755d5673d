/** What is written is read back; what was never written is refused, not believed and not waited for. */
import t from 'tap';
import fc from 'fast-check';
import * as nl from '../../../../src/dataplane/netlink/constants.js';
import { decodeAddress, encodeAddress } from '../../../../src/dataplane/netlink/address.js';
import { MalformedMessageError } from '../../../../src/dataplane/netlink/errors.js';
import { decodeLink, encodeLink } from '../../../../src/dataplane/netlink/link.js';
import {
  AttributeReader,
  MessageWriter,
  readMessages,
  wholeMessagesLength,
  type WireAddress,
} from '../../../../src/dataplane/netlink/message.js';
import { decodeNeighbour, encodeNeighbour } from '../../../../src/dataplane/netlink/neighbour.js';
import { decodeNexthop, encodeNexthop } from '../../../../src/dataplane/netlink/nexthop.js';
import { decodeRoute, encodeRoute } from '../../../../src/dataplane/netlink/route.js';

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffff_ffff);
const octets = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const anyAddress = fc.oneof(octets(4), octets(16));
interface Optional<T> {
  arbitrary: fc.Arbitrary<T>;
  optional: true;
}
const maybe = <T>(arbitrary: fc.Arbitrary<T>): Optional<T> => ({ arbitrary, optional: true });

/** A record whose marked keys may be missing. */
function record<T>(fields: {
  [K in keyof T]: fc.Arbitrary<T[K]> | Optional<T[K]>;
}): fc.Arbitrary<T> {
  const entries = Object.entries<fc.Arbitrary<unknown> | Optional<unknown>>(fields);
  const model = Object.fromEntries(
    entries.map(([key, field]) => [key, 'optional' in field ? field.arbitrary : field]),
  );
  const requiredKeys = entries.filter(([, field]) => !('optional' in field)).map(([key]) => key);
  const constraints = { requiredKeys, noNullPrototype: true };
  return fc.record(model, constraints) as fc.Arbitrary<T>;
}

function bodyOf(write: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter();
  writer.beginMessage(1, 0, 1);
  write(writer);
  writer.endMessage();
  const [message, ...rest] = readMessages(writer.bytes());
  if (message === undefined || rest.length > 0) throw new Error('not one message');
  return message.body;
}

t.test('neighbours round-trip', async t => {
  const neighbours = record({
    family: fc.constantFrom(nl.AF_INET, nl.AF_INET6, nl.AF_BRIDGE),
    interfaceIndex: fc.nat(0x7fff_ffff),
    state: u16,
    flags: u8,
    type: u8,
    destination: maybe(anyAddress),
    linkAddress: maybe(octets(6)),
    protocol: maybe(u8),
    vlan: maybe(u16),
    vni: maybe(u32),
    port: maybe(u16),
    viaInterface: maybe(u32),
    master: maybe(u32),
    nexthopId: maybe(u32),
  });
  fc.assert(
    fc.property(neighbours, neighbour => {
      t.strictSame(decodeNeighbour(bodyOf(w => encodeNeighbour(w, neighbour))), neighbour);
    }),
  );
});

t.test('routes round-trip', async t => {
  const routes = fc.constantFrom(4, 16).chain(length =>
    record({
      family: fc.constant(length === 4 ? nl.AF_INET : nl.AF_INET6),
      destination: octets(length),
      prefixLength: fc.integer({ min: 1, max: length * 8 }),
      tos: u8,
      table: u32,
      protocol: u8,
      scope: u8,
      type: u8,
      flags: u32,
      metric: u32,
      gateway: maybe(anyAddress),
      outInterface: maybe(u32),
      preferredSource: maybe(octets(length)),
      nexthopId: maybe(u32),
      multipath: fc.constant(false),
    }),
  );
  fc.assert(
    fc.property(routes, route => {
      t.strictSame(decodeRoute(bodyOf(w => encodeRoute(w, route))), route);
    }),
  );
});

t.test('nexthop objects round-trip', async t => {
  const nexthops = record({
    family: fc.constantFrom(nl.AF_INET, nl.AF_INET6),
    protocol: u8,
    flags: u32,
    id: u32,
    gateway: maybe(anyAddress),
    outInterface: maybe(u32),
  });
  fc.assert(
    fc.property(nexthops, nexthop => {
      t.strictSame(decodeNexthop(bodyOf(w => encodeNexthop(w, nexthop))), { ...nexthop, shape: 'plain' });
    }),
  );
});

t.test('a number is written as the bytes of the address', async t => {
  const number = (bytes: Uint8Array): number => Buffer.from(bytes).readUIntBE(0, bytes.length);
  fc.assert(
    fc.property(octets(4), octets(6), fc.constantFrom(nl.AF_INET, nl.AF_INET6), (ip, mac, family) => {
      const both = (write: (writer: MessageWriter, wire: (bytes: Uint8Array) => WireAddress) => void) =>
        t.strictSame(
          bodyOf(w => write(w, number)),
          bodyOf(w => write(w, bytes => bytes)),
        );
      const entry = { family, interfaceIndex: 1, state: 0, flags: 0, type: 0 };
      both((w, wire) => encodeNeighbour(w, { ...entry, destination: wire(ip), linkAddress: wire(mac) }));
      both((w, wire) => encodeNexthop(w, { family, protocol: 0, flags: 0, id: 1, gateway: wire(ip) }));
      const key = { destination: new Uint8Array(family === nl.AF_INET ? 4 : 16), prefixLength: 9 };
      const fixed = { tos: 0, table: 254, protocol: 3, scope: 0, type: 1, flags: 0, metric: 0 };
      both((w, wire) => encodeRoute(w, { family, ...key, ...fixed, gateway: wire(ip) }));
    }),
  );
});

t.test('a default route has no destination attribute and is read as zeros', async t => {
  const fixed = { tos: 0, table: 254, protocol: 3, scope: 0, type: 1, flags: 0, metric: 0 };
  const route = { family: nl.AF_INET, destination: new Uint8Array(4), prefixLength: 0, ...fixed };
  const body = bodyOf(w => encodeRoute(w, route));
  t.equal(body.length, nl.RTMSG_BYTES);
  t.strictSame(decodeRoute(body), { ...route, multipath: false });
});

t.test('addresses round-trip', async t => {
  const addresses = record({
    family: fc.constantFrom(nl.AF_INET, nl.AF_INET6),
    interfaceIndex: u32,
    prefixLength: u8,
    scope: u8,
    flags: u32,
    local: octets(4).map(bytes => Uint8Array.of(1, ...bytes.subarray(1))),
    peer: maybe(octets(4).map(bytes => Uint8Array.of(2, ...bytes.subarray(1)))),
    broadcast: maybe(octets(4)),
    label: maybe(fc.string({ minLength: 1, maxLength: 15 }).filter(text => !text.includes('\0'))),
  });
  fc.assert(
    fc.property(addresses, address => {
      t.strictSame(decodeAddress(bodyOf(w => encodeAddress(w, address))), address);
    }),
  );
});

t.test('VXLAN links round-trip', async t => {
  const flag = maybe(fc.boolean());
  const vxlans = record({
    id: u32,
    link: maybe(u32),
    local: maybe(anyAddress),
    group: maybe(anyAddress),
    port: maybe(u16),
    ttl: maybe(u8),
    tos: maybe(u8),
    learning: flag,
    proxy: flag,
    rsc: flag,
    l2miss: flag,
    l3miss: flag,
    udpCsum: flag,
    udpZeroCsum6Tx: flag,
    udpZeroCsum6Rx: flag,
    gbp: maybe(fc.constant(true as const)),
  });
  fc.assert(
    fc.property(vxlans, octets(6), fc.nat(9000), (vxlan, linkAddress, mtu) => {
      const link = decodeLink(bodyOf(w => encodeLink(w, { name: 'flannel.1', linkAddress, mtu, vxlan })));
      const fixed = { index: 0, flags: 0, operState: 0 };
      t.strictSame(link, { ...fixed, name: 'flannel.1', linkAddress, mtu, kind: 'vxlan', vxlan });
    }),
  );
});

t.test('the writer pads with zeros, also where it wrote before, and grows', async t => {
  const writer = new MessageWriter();
  writer.beginMessage(1, 2, 3);
  for (let i = 0; i < 10_000; i++) writer.attributeU32(1, 0xffff_ffff);
  writer.endMessage();
  t.equal(writer.bytes().length, nl.NLMSG_HEADER_BYTES + 80_000);
  writer.reset();
  writer.beginMessage(1, 2, 3);
  writer.attributeU8(7, 9);
  writer.endMessage();
  const body = readMessages(writer.bytes())[0]!.body;
  t.same([...body.subarray(4)], [9, 0, 0, 0]);
});

t.test('a message repeated is the message written again', async t => {
  // Runs of messages that are alike but for an address and a number, longer than the copies that are made at once.
  const run = fc.record({
    type: u16,
    filling: fc.uint8Array({ maxLength: 40 }),
    values: fc.array(fc.tuple(u32, u32), { minLength: 1, maxLength: 100 }),
    flaggedFrom: fc.nat(100),
  });
  const write = (writer: MessageWriter, type: number, sequence: number, filling: Uint8Array): void => {
    writer.beginMessage(type, 1, sequence);
    writer.attributeIp(1, 0);
    writer.attributeBytes(2, filling);
    writer.attributeU32(3, 0);
    writer.endMessage();
  };
  fc.assert(
    fc.property(fc.array(run, { maxLength: 6 }), runs => {
      const [repeated, written] = [new MessageWriter(), new MessageWriter()];
      let sequence = 0;
      for (const { type, filling, values, flaggedFrom } of runs) {
        for (const [place, [address, number]] of values.entries()) {
          sequence++;
          write(written, type, sequence, filling);
          if (place === 0) write(repeated, type, sequence, filling);
          else repeated.repeatMessage();
          for (const writer of [repeated, written]) {
            writer.rewriteIpv4(1, address);
            writer.rewriteU32(3, number);
          }
          if (place === flaggedFrom) repeated.addFlags(4);
          if (place >= flaggedFrom) written.addFlags(4);
        }
      }
      t.same(repeated.bytes(), written.bytes());
    }),
  );
});

t.test('a length that lies is refused', async t => {
  const header = Uint8Array.from(bodyless(16));
  t.equal(readMessages(header).length, 1);
  for (const length of [0, 15, 17, 0xffff_ffff]) {
    t.throws(
      () => readMessages(Uint8Array.from(bodyless(length))),
      MalformedMessageError,
      `message ${length}`,
    );
  }
  t.throws(() => readMessages(header.subarray(0, 15)), MalformedMessageError, 'half a header');
  for (const length of [0, 3, 9, 0xffff]) {
    const attributes = new AttributeReader(Uint8Array.of(length & 255, length >> 8, 1, 0, 0, 0, 0, 0));
    t.throws(() => attributes.next(), MalformedMessageError, `attribute ${length}`);
  }
  const short = new AttributeReader(Uint8Array.of(6, 0, 1, 0, 5, 5, 0, 0));
  t.ok(short.next());
  t.throws(() => short.u32(), MalformedMessageError, 'a number of two bytes');
  t.notOk(short.next());
});

t.test('random bytes end every decoder, by a value or by the one error', async t => {
  const decoders = [
    readMessages,
    wholeMessagesLength,
    decodeLink,
    decodeAddress,
    decodeRoute,
    decodeNeighbour,
    decodeNexthop,
  ];
  /** Attributes that are almost right come nearer to the decoders' insides than noise does. */
  const nearlyRight = fc
    .array(fc.tuple(fc.nat(24), fc.nat(40), fc.uint8Array({ maxLength: 20 })))
    .map(parts => Uint8Array.from([...new Array<number>(16).fill(0), ...parts.flatMap(attributeLike)]));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), nearlyRight), bytes => {
      for (const decode of decoders) {
        try {
          decode(bytes);
        } catch (error) {
          if (!(error instanceof MalformedMessageError)) throw error;
        }
      }
    }),
    { numRuns: 2_000 },
  );
  t.pass('none hung, none threw anything else');
});

t.test('a stream is cut between messages', async t => {
  const two = Uint8Array.from([...bodyless(16), ...bodyless(16)]);
  t.equal(wholeMessagesLength(two), 32);
  t.equal(wholeMessagesLength(two.subarray(0, 31)), 16);
  t.equal(wholeMessagesLength(two.subarray(0, 15)), 0);
  t.throws(() => wholeMessagesLength(Uint8Array.from(bodyless(3))), MalformedMessageError);
  t.equal(wholeMessagesLength(Uint8Array.from(bodyless(0xffff_fff0))), 0, 'a length of nearly 4 GiB');
});

t.test('an address of neither 4 nor 16 bytes is refused', async t => {
  const sixBytes = bodyOf(w =>
    encodeAddress(w, {
      family: nl.AF_INET,
      interfaceIndex: 1,
      prefixLength: 24,
      scope: 0,
      flags: 0,
      local: new Uint8Array(6),
    }),
  );
  t.throws(() => decodeAddress(sixBytes), MalformedMessageError);
});

/** A header that claims `length` bytes. */
function bodyless(length: number): number[] {
  const writer = new MessageWriter();
  writer.u32(length);
  return [...writer.bytes(), ...new Array<number>(12).fill(0)];
}

function attributeLike([length, type, value]: [number, number, Uint8Array]): number[] {
  const padding = new Array<number>(-value.length & 3).fill(0);
  return [length, 0, type, 0, ...value, ...padding];
}
