/** Whether what the kernel says of a device is new. */
import t from 'tap';
import { LastWord } from '../../../src/dataplane/last-word.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { encodeLink, type LinkRequest } from '../../../src/dataplane/netlink/link.js';
import { readMessages } from '../../../src/dataplane/netlink/message.js';
import { UNDERLAY } from '../../support/dataplane.js';
import { encode } from '../../support/fake-kernel.js';

const said = (link: LinkRequest, type: number = nl.RTM_NEWLINK) =>
  readMessages(encode(type, 0, 0, 0, writer => encodeLink(writer, link)))[0]!;

t.test('only the same once more is a repetition', async t => {
  const word = new LastWord(UNDERLAY);
  const up = { index: 2, name: UNDERLAY, mtu: 1500, flags: { value: nl.IFF_UP, mask: nl.IFF_UP } };
  const down = { ...up, flags: { value: 0, mask: nl.IFF_UP } };
  const told: readonly (readonly [what: string, message: ReturnType<typeof said>, isRepeated: boolean])[] = [
    ['the first word', said(up), false],
    ['again', said(up), true],
    ['down', said(down), false],
    ['up again', said(up), false],
    ['another device', said({ ...up, name: 'eth9' }), false],
    ['the same as before that', said(up), true],
    ['another MTU', said({ ...up, mtu: 1400 }), false],
    ['gone', said({ ...up, mtu: 1400 }, nl.RTM_DELLINK), false],
    ['back', said({ ...up, mtu: 1400 }), false],
    ['back with another index', said({ ...up, mtu: 1400, index: 7 }), false],
  ];
  for (const [what, message, isRepeated] of told) t.equal(word.repeats(message), isRepeated, what);
});
