/** The notification socket over a subscription that the test holds. */
import t from 'tap';
import * as nl from '../../../../src/dataplane/netlink/constants.js';
import type { Message } from '../../../../src/dataplane/netlink/message.js';
import { ALL_GROUPS, NotificationSocket } from '../../../../src/dataplane/netlink/notifications.js';
import type { Subscription } from '../../../../src/dataplane/netlink/subscription.js';
import { encode } from '../../../support/fake-kernel.js';

interface Held {
  readonly groups: readonly number[];
  data: (bytes: Uint8Array) => void;
  lost: (reason: string) => void;
  closed: boolean;
}

/** @param failures how many openings fail after the first */
function harness(failures = 0): {
  opened: Held[];
  heard: Message[];
  overflows: string[];
  socket: NotificationSocket;
  readonly overflowed: () => Promise<void>;
} {
  const opened: Held[] = [];
  const heard: Message[] = [];
  const overflows: string[] = [];
  let wake: () => void = () => undefined;
  const open = (groups: readonly number[]): Subscription => {
    if (opened.length > 0 && failures-- > 0) throw new Error('EMFILE');
    const held: Held = { groups, data: () => undefined, lost: () => undefined, closed: false };
    opened.push(held);
    return {
      onData: listener => {
        held.data = listener;
      },
      onLost: listener => {
        held.lost = listener;
      },
      catchUp: () => undefined,
      close: () => {
        held.closed = true;
      },
    };
  };
  const listener = {
    onMessage: (message: Message) => heard.push(message),
    onOverflow: (reason: string) => {
      overflows.push(reason);
      wake();
    },
  };
  const overflowed = (): Promise<void> => new Promise(resolve => (wake = resolve));
  return { opened, heard, overflows, overflowed, socket: new NotificationSocket(listener, { open }) };
}

const message = (value: number): Uint8Array => encode(nl.RTM_NEWLINK, 0, 0, 77, writer => writer.u32(value));
const values = (messages: Message[]): number[] => messages.map(({ body }) => body[0]!);

t.test('messages are delivered however the stream is cut', async t => {
  const { opened, heard, socket } = harness();
  t.same(opened[0]?.groups, ALL_GROUPS);
  const stream = Buffer.concat([message(1), message(2), message(3)]);
  for (const byte of stream) opened[0]!.data(Uint8Array.of(byte));
  opened[0]!.data(stream);
  t.same(values(heard), [1, 2, 3, 1, 2, 3]);
  t.match(heard[0], { type: nl.RTM_NEWLINK, port: 77 });
  socket.close();
  t.ok(opened[0]?.closed);
});

t.test('a lost subscription is opened again, and then the loss is told', async t => {
  const { opened, heard, overflows, overflowed, socket } = harness(2);
  opened[0]!.data(message(1).subarray(0, 9));
  const told = overflowed();
  opened[0]!.lost('overflow');
  t.same(overflows, []);
  await told;
  t.same(overflows, ['Error: EMFILE'], 'the last reason');
  t.equal(opened.length, 2);
  opened[1]!.data(message(2));
  t.same(values(heard), [2], 'the half message of before is forgotten');
  socket.close();
});

t.test('a stream that is no netlink is given up and opened again', async t => {
  const { opened, overflows, overflowed, socket } = harness();
  const told = overflowed();
  opened[0]!.data(new Uint8Array(32));
  t.ok(opened[0]?.closed);
  await told;
  t.match(overflows[0], /message length 0/);
  t.equal(opened.length, 2);
  socket.close();
});

t.test('nothing is opened after close', async t => {
  const { opened, overflows, socket } = harness();
  opened[0]!.lost('overflow');
  socket.close();
  opened[0]!.lost('overflow');
  await new Promise(resolve => setTimeout(resolve, 40));
  t.equal(opened.length, 1);
  t.same(overflows, []);
});
