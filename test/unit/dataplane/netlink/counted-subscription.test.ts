/** Announcements that are read over libc, on a socket and a kernel of the test's. */
import { EventEmitter } from 'node:events';
import { constants } from 'node:os';
import type { RawNetlinkSocket } from 'netlink/dist/raw.js';
import t, { type Test } from 'tap';
import { readFrom } from '../../../../src/dataplane/netlink/counted-subscription.js';
import type { Libc } from '../../../../src/libc/libc.js';

const turn = () => new Promise(resolve => setImmediate(resolve));

/** A subscription to what is in `waiting`. */
function subscribe(t: Test) {
  const waiting: Uint8Array[] = [];
  const heard: string[] = [];
  const lost: string[] = [];
  const count = { losses: 0, closed: 0, errno: constants.errno.EAGAIN };
  const libc = {
    recv: (_: number, bytes: Uint8Array) => {
      const next = waiting.shift();
      if (next === undefined) return -1;
      bytes.set(next.subarray(0, bytes.length));
      return next.length;
    },
    getsockopt: (...[, , , value]: Parameters<Libc['getsockopt']>) => {
      value[0] = waiting.reduce((sum, { length }) => sum + length, 0);
      value[8] = count.losses;
      return 0;
    },
    errno: () => count.errno,
  };
  const socket = Object.assign(new EventEmitter(), { close: () => count.closed++ });
  const subscription = readFrom(socket as unknown as RawNetlinkSocket, 3, libc as unknown as Libc);
  subscription.onData(bytes => heard.push(Buffer.from(bytes).toString()));
  subscription.onLost(reason => lost.push(reason));
  t.teardown(() => subscription.close());
  const say = (text: string) => socket.emit('message', Buffer.from(text));
  const wait = (...texts: string[]) => waiting.push(...texts.map(text => Buffer.from(text)));
  return { subscription, socket, waiting, heard, lost, count, say, wait };
}

t.test('what waits behind the first is read with it, once in a turn of the event loop', async t => {
  const { heard, say, wait, waiting } = subscribe(t);
  wait('b', 'c');
  say('a');
  t.same(heard.splice(0), ['a', 'bc']);
  wait('e');
  say('d');
  t.same([heard.splice(0), waiting.length], [['d'], 1], 'others have their turn');
  await turn();
  say('e');
  t.same([heard.splice(0), waiting.length], [['e', 'e'], 0]);
});

t.test('whoever catches up hears all, however much it is', async t => {
  const { subscription, heard, wait } = subscribe(t);
  const piece = 'x'.repeat(30_000);
  wait(...Array<string>(10).fill(piece));
  subscription.catchUp();
  t.equal(heard.join('').length, 300_000);
});

t.test('what comes while somebody catches up does not keep him', async t => {
  const { subscription, heard, wait } = subscribe(t);
  const piece = 'x'.repeat(30_000);
  // So much is read at once.
  const some = [piece, piece, piece];
  subscription.onData(() => {
    heard.push('some');
    if (heard.length < 100) wait(...some);
  });
  wait(...some, ...some);
  subscription.catchUp();
  t.same(heard, ['some', 'some'], 'what was there before');
});

t.test('losses end it, once, and so does a datagram that does not fit', async t => {
  const { subscription, heard, lost, count, say, wait } = subscribe(t);
  count.losses = 1;
  say('a');
  say('b');
  subscription.catchUp();
  t.same([heard, lost], [['a'], ['the receive buffer overflowed']]);
  t.equal(count.closed, 0, 'the package is not in one of its callbacks then');
  await turn();
  t.equal(count.closed, 1);
  const other = subscribe(t);
  other.wait('b', 'x'.repeat(100_000));
  other.say('a');
  t.same([other.heard, other.lost], [['a', 'b'], ['an announcement was longer than any that is known']]);
  wait('c');
});

t.test('whoever catches up hears of a loss that nothing has followed', async t => {
  const { subscription, lost, count } = subscribe(t);
  count.losses = 1;
  subscription.catchUp();
  t.same(lost, ['the receive buffer overflowed']);
});

t.test('an error of the socket ends it', async t => {
  const { lost, socket } = subscribe(t);
  socket.emit('error', new Error('recvmsg: EIO'));
  t.same(lost, ['recvmsg: EIO']);
});

t.test('an error that only reading tells ends it, after what came before', async t => {
  const { subscription, heard, lost, count, wait } = subscribe(t);
  count.errno = constants.errno.EMSGSIZE;
  wait('a');
  subscription.catchUp();
  t.same([heard, lost], [['a'], ['recv: EMSGSIZE']]);
});

t.test('of a closed one nothing is heard, not even that it was lost', async t => {
  const { subscription, heard, lost, count, say, socket } = subscribe(t);
  count.losses = 1;
  subscription.close();
  say('a');
  socket.emit('error', new Error('EBADF'));
  subscription.catchUp();
  await turn();
  t.same([heard, lost, count.closed], [[], [], 1]);
});

t.test('an exception of the listener does not go into the native callback', async t => {
  const { subscription, say } = subscribe(t);
  subscription.onData(() => {
    throw new Error('ours');
  });
  const thrown = new Promise(resolve => {
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.once('uncaughtException', error => {
      for (const listener of before) process.on('uncaughtException', listener);
      resolve(error.message);
    });
  });
  t.doesNotThrow(() => say('a'));
  t.equal(await thrown, 'ours');
});
