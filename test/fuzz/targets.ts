/** What is fuzzed: each target takes an input and throws when something happens that never may. */
import fc from 'fast-check';
import { decodeActiveFeatures } from '../../src/dataplane/netlink/ethtool.js';
import { decodeFamilyId } from '../../src/dataplane/netlink/genetlink.js';
import { MalformedMessageError, NetlinkError } from '../../src/dataplane/netlink/errors.js';
import { decodeLink } from '../../src/dataplane/netlink/link.js';
import { readMessages, wholeMessagesLength } from '../../src/dataplane/netlink/message.js';
import { decodeNftAnnouncement } from '../../src/dataplane/netlink/nftables.js';
import { NetlinkSocket } from '../../src/dataplane/netlink/socket.js';
import type { Operation } from '../../src/dataplane/netlink/exchange.js';
import * as nl from '../../src/dataplane/netlink/constants.js';
import { Announcements } from '../../src/dataplane/announced.js';
import { KINDS } from '../../src/dataplane/kinds/index.js';
import { concernOf } from '../../src/dataplane/kernel-watch.js';
import { decodeIcmp } from '../../src/probe/icmp.js';
import { readConfigDocument } from '../../src/daemon/config-document.js';
import { formatLeaseValue, parseLease, parseLeaseValue } from '../../src/subnet/lease.js';
import { ANSWERED, SENT } from '../unit/dataplane/netlink/golden.js';
import { AS_OPERATIONS } from '../support/as-operations.js';
import { NETWORK } from '../support/dataplane.js';
import { mutated, mutatedText } from './mutations.js';

/** Something to fuzz. The property throws, or rejects, when the input has shown a fault. */
export interface Target {
  readonly name: string;
  readonly property: fc.IRawProperty<unknown>;
}

const bytesOf = (hex: Readonly<Record<string, string>>) =>
  Object.values(hex).map(text => Uint8Array.from(Buffer.from(text, 'hex')));

const sent = bytesOf(SENT);
/** What the kernel says of an entry is laid out as what it is told of one. */
const entries = [...bytesOf(ANSWERED), ...sent.map(bytes => bytes.subarray(nl.NLMSG_HEADER_BYTES))];
/** All of it one after another, as a notification socket hears it, too. */
const datagrams = [...sent, Uint8Array.from(Buffer.concat(sent))];

/** Whatever it is, it is read as a rule of nftables, too. */
const NFT_NEWRULE = (nl.NFNL_SUBSYS_NFTABLES << 8) | nl.NFT_MSG_NEWRULE;

const DEVICES = {
  indexOf: () => 4,
  nameOf: (index: number) => (index === 4 ? 'flannel.1' : `eth${index}`),
};

const DECODERS: readonly ((body: Uint8Array) => unknown)[] = [
  decodeLink,
  decodeFamilyId,
  decodeActiveFeatures,
  // Whatever the type says, every decoder must bear every body.
  ...KINDS.map(kind => (body: Uint8Array) => kind.decode(body, DEVICES)),
];

/** What a decoder may do with bytes that are none of the kernel's: refuse them. */
function refuses(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error;
  }
}

const bodies: Target = {
  name: 'bodies',
  property: fc.property(mutated(entries), body => {
    for (const decode of DECODERS) refuses(() => decode(body));
  }),
};

const messages: Target = {
  name: 'messages',
  property: fc.property(mutated(datagrams), bytes => {
    refuses(() => {
      const whole = wholeMessagesLength(bytes);
      if (whole > bytes.length) throw new Error(`${whole} whole bytes of ${bytes.length}`);
      for (const message of readMessages(bytes.subarray(0, whole))) {
        refuses(() => decodeNftAnnouncement({ ...message, type: NFT_NEWRULE }));
        refuses(() => {
          const announcements = new Announcements();
          announcements.note(message);
          announcements.take(DEVICES, () => true);
        });
        refuses(() =>
          concernOf(
            message,
            {
              network: NETWORK,
              overlay: new Set(['flannel.1']),
              underlay: 'eth0',
              addressed: 'docker0',
              isExpected: () => false,
            },
            DEVICES,
            1,
          ),
        );
      }
    });
  }),
};

const OPERATION: Operation = {
  type: nl.RTM_NEWROUTE,
  flags: 0,
  describe: () => 'an operation',
  write: writer => writer.u32(0),
};

/** Acknowledgements of the first five sequence numbers, a refusal, an end of a dump. */
function acknowledgements(): Uint8Array[] {
  const answer = (type: number, sequence: number, errno: number): Uint8Array => {
    const view = new DataView(new ArrayBuffer(36));
    view.setUint32(0, 36, true);
    view.setUint16(4, type, true);
    view.setUint32(8, sequence, true);
    view.setInt32(16, -errno, true);
    return new Uint8Array(view.buffer);
  };
  const all = [1, 2, 3, 4, 5].map(sequence => answer(nl.NLMSG_ERROR, sequence, 0));
  return [...all, answer(nl.NLMSG_ERROR, 2, 17), answer(nl.NLMSG_DONE, 5, 0), ...datagrams];
}

/** The socket on a kernel that answers anything: every exchange has an end, and no exception goes elsewhere. */
const socket: Target = {
  name: 'socket',
  property: fc.asyncProperty(fc.array(mutated(acknowledgements()), { maxLength: 6 }), async said => {
    let hear: (bytes: Uint8Array, sender: number) => void = () => undefined;
    const socket = new NetlinkSocket(
      {
        port: 1,
        answerCapacity: 3,
        send: (_, callback) => {
          callback();
          for (const bytes of said) hear(bytes, 0);
        },
        onMessage: listener => (hear = listener),
        onError: () => undefined,
        close: () => undefined,
      },
      { silenceMs: 1 },
    );
    const troubles = await socket.batch([OPERATION, OPERATION, OPERATION], AS_OPERATIONS);
    const strange = [...troubles.keys()].filter(place => ![0, 1, 2].includes(place));
    if (strange.length > 0) throw new Error(`trouble at ${strange.join(', ')} of 3 operations`);
    for (const ask of [() => socket.request(OPERATION), () => socket.dump(OPERATION)]) {
      await ask().catch((error: unknown) => {
        if (!(error instanceof NetlinkError)) throw error;
      });
    }
    socket.close();
  }),
};

const LEASE_VALUES = [
  '{"PublicIP":"192.168.77.2","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"0e:2a:00:00:00:09"}}',
  '{"PublicIP":"192.168.77.2","PublicIPv6":"fd00::2","BackendType":"host-gw"}',
  '{"PublicIP":"192.168.77.2","Selvedge":{"NodeID":"0123456789abcdef0123456789abcdef","Name":"web-1","Since":"2026-01-02T03:04:05.678Z"}}',
];
const KEY_PREFIX = '/net/subnets/';
const KEYS = ['10.5.2.0-24', '10.5.2.0-24&fd00:10:5:2::-64'].map(key => `${KEY_PREFIX}${key}`);

const leases: Target = {
  name: 'leases',
  property: fc.property(mutatedText(KEYS), mutatedText(LEASE_VALUES), (key, value) => {
    const entry = { key, value, createRevision: 1n, modRevision: 1n, leaseId: '0' };
    const lease = parseLease(entry, KEY_PREFIX);
    if (!lease.ok) return lease.reason.length > 0;
    const again = parseLeaseValue(formatLeaseValue(lease.value));
    return again.ok && formatLeaseValue(again.value) === formatLeaseValue(lease.value);
  }),
};

const CONFIGS = [
  '{"Network":"10.5.0.0/16","SubnetLen":24,"SubnetMin":"10.5.1.0","SubnetMax":"10.5.255.0","Backend":{"Type":"vxlan","VNI":1,"Port":8472,"DirectRouting":true}}',
  '{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"},"EnableIPv6":true,"IPv6Network":"fd00:10:5::/48","IPv6SubnetLen":64}',
];

const configs: Target = {
  name: 'configs',
  property: fc.property(mutatedText(CONFIGS), text => {
    const read = readConfigDocument(text);
    return read.ok || (read.faults.length > 0 && read.faults.every(fault => fault.length > 0));
  }),
};

/** An echo reply, and a router's word on a packet that was too large, as a kernel sent them. */
const PACKETS = [
  '45000024fc270000400167a80a0502000a050100000041251234000173656c7665646765',
  '45c00038f6a90000400169bb0a4d01fe0a4d010103046f5800000578450005dc0000400040011d860a4d01010a4d02010800392412340002',
].map(hex => Uint8Array.from(Buffer.from(hex, 'hex')));

/** Anybody can send us ICMP: whatever it is, it is called something. */
const icmp: Target = {
  name: 'icmp',
  property: fc.property(mutated(PACKETS), packet => {
    decodeIcmp(packet);
  }),
};

export const TARGETS: readonly Target[] = [bodies, messages, socket, icmp, leases, configs];
