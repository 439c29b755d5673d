/** Generic netlink and the family "ethtool": our bytes against those of ethtool 6.1, and our reading of the kernel's. */
import t from 'tap';
import { MalformedMessageError } from '../../../../src/dataplane/netlink/errors.js';
import {
  decodeActiveFeatures,
  encodeFeaturesGet,
  encodeFeatureSet,
} from '../../../../src/dataplane/netlink/ethtool.js';
import { decodeFamilyId, encodeFamilyLookup } from '../../../../src/dataplane/netlink/genetlink.js';
import { MessageWriter } from '../../../../src/dataplane/netlink/message.js';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

function written(write: (writer: MessageWriter) => void): string {
  const writer = new MessageWriter();
  write(writer);
  return Buffer.from(writer.bytes()).toString('hex');
}

t.test('the number of a family', async t => {
  t.equal(
    written(writer => encodeFamilyLookup(writer, 'ethtool')),
    '03010000' + '0c000200657468746f6f6c00',
    'as ethtool asks',
  );
  const answer = '01020000' + '0c000200657468746f6f6c00' + '0600010015000000' + '0800030001000000';
  t.equal(decodeFamilyId(bytes(answer)), 21);
  t.equal(decodeFamilyId(bytes('01020000')), undefined);
  t.throws(() => decodeFamilyId(bytes('0102')), MalformedMessageError);
});

t.test('ethtool -K flannel.1 tx-checksum-ip-generic off', async t => {
  const name = '1b00020074782d636865636b73756d2d69702d67656e6572696300';
  // ethtool has the answer in compact form where we ask for none; what follows is the same.
  const header = '1c000180' + '0e000200666c616e6e656c2e31000000' + '0800030002000000';
  const off = '28000380' + '24000380' + '20000180' + name + '00';
  t.equal(
    written(writer => encodeFeatureSet(writer, 'flannel.1', 'tx-checksum-ip-generic', false)),
    `0c010000${header}${off}`,
  );
  const on = '2c000380' + '28000380' + '24000180' + name + '00' + '04000300';
  t.equal(
    written(writer => encodeFeatureSet(writer, 'flannel.1', 'tx-checksum-ip-generic', true)),
    `0c010000${header}${on}`,
  );
});

t.test('the features that are on', async t => {
  t.equal(
    written(writer => encodeFeaturesGet(writer, 'flannel.1')),
    '0b010000' + '14000180' + '0e000200666c616e6e656c2e31000000',
  );
  const bit = (value: string) => `${value}080001000e000000` + '0b00020072782d67726f0000';
  const withoutMask = `0b010000280004800400010020000380${bit('18000180')}`;
  t.same([...decodeActiveFeatures(bytes(`${withoutMask}04000000`))], ['rx-gro'], 'listed is on');
  const masked = (flag: string, lengths: string[]) =>
    bytes(`0b010000${lengths[0]}${lengths[1]}${bit(lengths[2]!)}${flag}`);
  t.same([...decodeActiveFeatures(masked('04000300', ['24000480', '20000380', '1c000180']))], ['rx-gro']);
  t.same([...decodeActiveFeatures(masked('', ['20000480', '1c000380', '18000180']))], []);
  t.same([...decodeActiveFeatures(bytes('0b010000'))], []);
});
