/** Which announcements of nftables concern us. */
import t from 'tap';
import { concernsUs } from '../../../../src/dataplane/firewall/nft-events.js';
import * as nl from '../../../../src/dataplane/netlink/constants.js';
import { MalformedMessageError } from '../../../../src/dataplane/netlink/errors.js';
import { readMessages, type Message } from '../../../../src/dataplane/netlink/message.js';
import { decodeNftAnnouncement } from '../../../../src/dataplane/netlink/nftables.js';
import { encode } from '../../../support/fake-kernel.js';
import { NAMES } from '../../../support/firewall.js';

const typeOf = (message: number) => (nl.NFNL_SUBSYS_NFTABLES << 8) | message;

/** @param names by attribute type */
function announce(
  message: number,
  names: Readonly<Record<number, string>>,
  family: number = nl.AF_INET,
): Message {
  const bytes = encode(typeOf(message), 0, 0, 77, writer => {
    writer.u8(family);
    writer.u8(0);
    writer.u16(0);
    for (const [type, name] of Object.entries(names)) writer.attributeString(Number(type), name);
  });
  return readMessages(bytes)[0]!;
}

const concerns = (...args: Parameters<typeof announce>) => {
  const announcement = decodeNftAnnouncement(announce(...args));
  return announcement !== undefined && concernsUs(announcement, NAMES);
};

t.test('ours, and the chains of iptables in which ours stand', async t => {
  t.ok(concerns(nl.NFT_MSG_DELTABLE, { [nl.NFTA_TABLE_NAME]: 'selvedge-net' }));
  t.ok(concerns(nl.NFT_MSG_DELRULE, { [nl.NFTA_RULE_TABLE]: 'selvedge-net', [nl.NFTA_RULE_CHAIN]: 'x' }));
  t.ok(concerns(nl.NFT_MSG_NEWTABLE, { [nl.NFTA_TABLE_NAME]: 'filter' }));
  t.ok(concerns(nl.NFT_MSG_NEWCHAIN, { [nl.NFTA_CHAIN_TABLE]: 'filter', [nl.NFTA_CHAIN_NAME]: 'FORWARD' }));
  t.ok(concerns(nl.NFT_MSG_DELRULE, { [nl.NFTA_RULE_TABLE]: 'filter', [nl.NFTA_RULE_CHAIN]: 'FORWARD' }));
  t.ok(
    concerns(nl.NFT_MSG_DELCHAIN, {
      [nl.NFTA_CHAIN_TABLE]: 'filter',
      [nl.NFTA_CHAIN_NAME]: 'SELVEDGE-FWD-net',
    }),
  );
  t.ok(concerns(nl.NFT_MSG_NEWRULE, { [nl.NFTA_RULE_TABLE]: 'nat', [nl.NFTA_RULE_CHAIN]: 'POSTROUTING' }));
});

t.test('what Docker does with every container does not', async t => {
  for (const chain of ['DOCKER', 'DOCKER-USER', 'INPUT', 'PREROUTING'])
    t.notOk(
      concerns(nl.NFT_MSG_NEWRULE, { [nl.NFTA_RULE_TABLE]: 'filter', [nl.NFTA_RULE_CHAIN]: chain }),
      chain,
    );
  t.notOk(concerns(nl.NFT_MSG_NEWRULE, { [nl.NFTA_RULE_TABLE]: 'mine', [nl.NFTA_RULE_CHAIN]: 'FORWARD' }));
  t.notOk(concerns(nl.NFT_MSG_DELTABLE, { [nl.NFTA_TABLE_NAME]: 'filter' }, nl.AF_INET6));
  t.equal(decodeNftAnnouncement(announce(15, {})), undefined, 'the end of a transaction');
  t.equal(decodeNftAnnouncement(announce(nl.NFT_MSG_NEWTABLE, {})), undefined, 'without a name');
  const { type, body, ...rest } = announce(nl.NFT_MSG_NEWTABLE, {});
  t.equal(decodeNftAnnouncement({ ...rest, body, type: type & 0xff }), undefined, 'another subsystem');
  t.throws(() => decodeNftAnnouncement({ ...rest, type, body: new Uint8Array(3) }), MalformedMessageError);
});
