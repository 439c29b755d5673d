/** The request socket against a transport whose every answer the test writes. */
import { constants } from 'node:os';
import t from 'tap';
import * as nl from '../../../../src/dataplane/netlink/constants.js';
import type { BatchForm, Operation, Trouble } from '../../../../src/dataplane/netlink/exchange.js';
import { readMessages, type Message } from '../../../../src/dataplane/netlink/message.js';
import { NetlinkSocket } from '../../../../src/dataplane/netlink/socket.js';
import type { Transport } from '../../../../src/dataplane/netlink/transport.js';
import { AS_OPERATIONS } from '../../../support/as-operations.js';
import { encode } from '../../../support/fake-kernel.js';

const { EEXIST, EINVAL, ENOBUFS, EPERM } = constants.errno;
const PORT = 42;

interface Script extends Transport {
  /** Datagrams sent so far. */
  readonly sent: Message[][];
  /** Delivers messages in one datagram. */
  answer(...messages: Uint8Array[]): void;
  answerFrom(sender: number, ...messages: Uint8Array[]): void;
  fail(error: Error): void;
  closed: boolean;
}

/** @param react runs after each send, with the messages of the datagram and the number of datagrams so far */
function script(
  react: (script: Script, messages: Message[], count: number) => void,
  sendError?: Error,
): Script {
  let deliver: (bytes: Uint8Array, sender: number) => void = () => undefined;
  let raise: (error: Error) => void = () => undefined;
  const self: Script = {
    port: PORT,
    answerCapacity: 120,
    sent: [],
    closed: false,
    send: (bytes, callback) => {
      const messages = readMessages(Uint8Array.from(bytes));
      self.sent.push(messages);
      setImmediate(() => {
        callback(sendError);
        if (sendError === undefined) react(self, messages, self.sent.length);
      });
    },
    onMessage: listener => {
      deliver = listener;
    },
    onError: listener => {
      raise = listener;
    },
    close: () => {
      self.closed = true;
    },
    answer: (...messages) => self.answerFrom(0, ...messages),
    answerFrom: (sender, ...messages) => deliver(Buffer.concat(messages), sender),
    fail: error => raise(error),
  };
  return self;
}

const ack = ({ sequence }: Message, errno = 0): Uint8Array =>
  encode(nl.NLMSG_ERROR, 0, sequence, PORT, w => w.u32(-errno >>> 0));
const part = ({ sequence }: Message, value: number, flags = 0): Uint8Array =>
  encode(nl.RTM_NEWROUTE, nl.NLM_F_MULTI | flags, sequence, PORT, w => w.u32(value));
const done = ({ sequence }: Message, errno = 0, flags = 0): Uint8Array =>
  encode(nl.NLMSG_DONE, nl.NLM_F_MULTI | flags, sequence, PORT, w => w.u32(-errno >>> 0));
const overflow = (): Error => Object.assign(new Error('overflow'), { errno: ENOBUFS, code: 'ENOBUFS' });

const operation = (subject: string, type: number = nl.RTM_NEWROUTE): Operation => ({
  type,
  flags: nl.NLM_F_CREATE,
  describe: () => subject,
  write: writer => writer.u32(7),
});
const operations = (count: number): Operation[] =>
  Array.from({ length: count }, (_, index) => operation(`route ${index}`));
const values = (messages: Message[]): number[] => messages.map(({ body }) => body[0]!);
/** A letter for each of so many operations: `o` for one that was simply done. */
const kindsOf = (count: number, troubles: ReadonlyMap<number, Trouble>): string =>
  Array.from({ length: count }, (_, place) => (troubles.get(place)?.kind ?? 'ok')[0]).join('');

// A real socket keeps the process alive while it waits; its timers do not.
const keepAlive = setInterval(() => undefined, 1_000);
t.teardown(() => clearInterval(keepAlive));

t.test('a request is answered by sequence number, from the kernel only', async t => {
  const transport = script((self, [message]) => {
    const other = { ...message!, sequence: message!.sequence + 9 };
    self.answerFrom(4711, ack(message!, EPERM));
    self.answer(part(other, 1), ack(other, EINVAL), part(message!, 2));
    self.answer(ack(message!));
  });
  const socket = new NetlinkSocket(transport);
  t.same(values(await socket.request(operation('route', nl.RTM_GETROUTE))), [2]);
  const [sent] = transport.sent[0]!;
  t.equal(sent?.flags, nl.NLM_F_REQUEST | nl.NLM_F_ACK | nl.NLM_F_CREATE);
  t.same(socket.stats, { requests: 1, dumps: 0, changes: 0 });
  t.equal(socket.port, PORT);
});

t.test('a refusal reaches the caller', async t => {
  const socket = new NetlinkSocket(script((self, [message]) => self.answer(ack(message!, EPERM))));
  const expected = {
    name: 'NetlinkError',
    message: 'route x: EPERM',
    operation: 'RTM_NEWROUTE',
    code: 'EPERM',
  };
  await t.rejects(socket.request(operation('route x')), expected);
});

t.test('a send that fails is a refusal of all that was in it', async t => {
  const error = Object.assign(new Error('no'), { errno: EPERM });
  const socket = new NetlinkSocket(script(() => undefined, error));
  await t.rejects(socket.request(operation('route x')), { code: 'EPERM' });
  t.equal(kindsOf(3, await socket.batch(operations(3), AS_OPERATIONS)), 'fff');
  const throwing = script(() => undefined);
  throwing.send = () => {
    throw new Error('socket is closed');
  };
  await t.rejects(new NetlinkSocket(throwing).request(operation('route x')), { code: 'EIO' });
});

t.test('silence ends a request', async t => {
  const socket = new NetlinkSocket(
    script(() => undefined),
    { silenceMs: 10 },
  );
  await t.rejects(socket.request(operation('route x')), { code: 'ETIMEDOUT' });
});

t.test('an answer that is no netlink ends a request', async t => {
  const socket = new NetlinkSocket(script(self => self.answer(Uint8Array.of(1, 2, 3))));
  await t.rejects(socket.request(operation('route x')), { code: 'EBADMSG' });
});

t.test('a dump is gathered over datagrams, other answers between its parts', async t => {
  const transport = script((self, [message]) => {
    self.answer(part(message!, 1), part({ ...message!, sequence: 99 }, 8), part(message!, 2));
    self.answer(done({ ...message!, sequence: 99 }), part(message!, 3));
    self.answer(done(message!));
  });
  const socket = new NetlinkSocket(transport);
  t.same(values(await socket.dump(operation('routes', nl.RTM_GETROUTE))), [1, 2, 3]);
  t.equal(transport.sent[0]![0]!.flags & nl.NLM_F_DUMP, nl.NLM_F_DUMP);
  t.same(socket.stats, { requests: 0, dumps: 1, changes: 0 });
});

t.test('a dump that was interrupted or cut by an overflow is read again', async t => {
  const socket = new NetlinkSocket(
    script((self, [message], count) => {
      if (count === 1) self.answer(part(message!, 1, nl.NLM_F_DUMP_INTR), done(message!));
      else if (count === 2) self.answer(part(message!, 1), done(message!, 0, nl.NLM_F_DUMP_INTR));
      else if (count === 3) {
        self.answer(part(message!, 1));
        self.fail(overflow());
        self.answer(done(message!));
      } else if (count === 4) self.fail(overflow());
      else self.answer(part(message!, 5), done(message!));
    }),
  );
  t.same(values(await socket.dump(operation('routes'))), [5]);
  t.equal(socket.stats.dumps, 5);
});

t.test('a table that never holds still is an error in the end', async t => {
  const socket = new NetlinkSocket(
    script((self, [message]) => self.answer(done(message!, 0, nl.NLM_F_DUMP_INTR))),
  );
  await t.rejects(socket.dump(operation('routes')), { code: 'EINTR' });
});

t.test('the error code at the end of a dump counts', async t => {
  const fails = new NetlinkSocket(
    script((self, [message]) => self.answer(part(message!, 1), done(message!, EINVAL))),
  );
  await t.rejects(fails.dump(operation('routes')), { code: 'EINVAL' });
  const refused = new NetlinkSocket(script((self, [message]) => self.answer(ack(message!, EPERM))));
  await t.rejects(refused.dump(operation('routes')), { code: 'EPERM' });
});

t.test('a batch acknowledges its last message only; no answer means ok', async t => {
  const transport = script((self, messages) => {
    self.answer(ack(messages[1]!, EEXIST));
    self.answer(ack(messages.at(-1)!));
  });
  const socket = new NetlinkSocket(transport);
  const troubles = await socket.batch(operations(4), AS_OPERATIONS);
  t.equal(kindsOf(4, troubles), 'ofoo');
  t.match(troubles.get(1), { error: { message: 'route 1: EEXIST', code: 'EEXIST' } });
  t.same(
    transport.sent[0]!.map(({ flags }) => (flags & nl.NLM_F_ACK) !== 0),
    [false, false, false, true],
  );
  t.same(socket.stats, { requests: 1, dumps: 0, changes: 4 });
});

t.test('answers may come in any order and in one datagram', async t => {
  const socket = new NetlinkSocket(
    script((self, m) => self.answer(ack(m[2]!, EINVAL), ack(m[0]!, EEXIST), ack(m[3]!, EPERM))),
  );
  t.equal(kindsOf(4, await socket.batch(operations(4), AS_OPERATIONS)), 'foff');
});

t.test('a batch without its last answer is unknown where no answer came', async t => {
  const answersOne = (self: Script, messages: Message[]): void => self.answer(ack(messages[0]!, EEXIST));
  const silent = new NetlinkSocket(script(answersOne), { silenceMs: 10 });
  t.equal(kindsOf(3, await silent.batch(operations(3), AS_OPERATIONS)), 'fuu');
});

t.test('a batch during which answers were lost is unknown where no answer came', async t => {
  const socket = new NetlinkSocket(
    script((self, messages) => {
      self.answer(ack(messages[0]!, EEXIST));
      self.fail(overflow());
      self.answer(ack(messages[2]!));
    }),
  );
  t.equal(kindsOf(3, await socket.batch(operations(3), AS_OPERATIONS)), 'fuo');
});

t.test('a long batch goes out in pieces, one at a time, and lets others in between', async t => {
  const order: number[] = [];
  const transport = script((self, messages) => {
    order.push(messages.length);
    self.answer(ack(messages.at(-1)!));
  });
  const socket = new NetlinkSocket(transport);
  const long = socket.batch(operations(250), AS_OPERATIONS);
  const short = socket.batch(operations(1), AS_OPERATIONS);
  t.equal((await long).size, 0);
  t.equal((await short).size, 0);
  t.same(order, [120, 1, 120, 10]);
  const sequences = transport.sent.flat().map(({ sequence }) => sequence);
  t.equal(new Set(sequences).size, 251, 'no sequence number twice');
  t.same(await socket.batch([], AS_OPERATIONS), new Map());
});

t.test('a piece is written while the kernel works at the one before', async t => {
  const events: string[] = [];
  const transport = script((self, messages, count) => {
    events.push(`answer ${count}`);
    self.answer(ack(messages.at(-1)!));
  });
  const form: BatchForm<Operation> = {
    ...AS_OPERATIONS,
    write: (writer, items, start, end, sequence) => {
      events.push(`write ${start}`);
      AS_OPERATIONS.write(writer, items, start, end, sequence);
    },
  };
  await new NetlinkSocket(transport).batch(operations(300), form);
  t.same(events, ['write 0', 'write 120', 'answer 1', 'write 240', 'answer 2', 'answer 3']);
  t.same(
    transport.sent.map(messages => messages.length),
    [120, 120, 60],
    'and none is overwritten by the next',
  );
});

/** Lets everything happen that can without an answer. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await new Promise(resolve => setImmediate(resolve));
}

t.test('batches are under way together, as many as the receive buffer holds refusals of', async t => {
  const sent: Message[][] = [];
  const transport = script((_, messages) => sent.push(messages));
  const socket = new NetlinkSocket(transport);
  const batches = [50, 50, 50].map(count => socket.batch(operations(count), AS_OPERATIONS));
  const alone = socket.request(operation('route x'));
  const last = socket.batch(operations(1), AS_OPERATIONS);
  await settle();
  t.same(
    sent.map(({ length }) => length),
    [50, 50],
    '120 fit',
  );
  transport.answer(ack(sent[1]![7]!, EEXIST), ack(sent[1]!.at(-1)!));
  t.equal(kindsOf(50, await batches[1]!).indexOf('f'), 7, 'in whatever order they are answered');
  await settle();
  t.equal(sent.length, 3);
  transport.answer(ack(sent[0]!.at(-1)!), ack(sent[2]!.at(-1)!));
  t.same(
    (await Promise.all([batches[0]!, batches[2]!])).map(({ size }) => size),
    [0, 0],
  );
  await settle();
  t.equal(sent.length, 4, 'a request is alone');
  transport.answer(ack(sent[3]![0]!));
  await alone;
  await settle();
  transport.answer(ack(sent[4]![0]!));
  t.equal((await last).size, 0);
});

t.test('answers that were lost make all that is under way unknown', async t => {
  const sent: Message[][] = [];
  const transport = script((_, messages) => sent.push(messages));
  const socket = new NetlinkSocket(transport);
  const batches = [3, 2].map(count => socket.batch(operations(count), AS_OPERATIONS));
  await settle();
  transport.fail(overflow());
  for (const messages of sent) transport.answer(ack(messages.at(-1)!));
  t.same(
    (await Promise.all(batches)).map((troubles, index) => kindsOf([3, 2][index]!, troubles)),
    ['uuo', 'uo'],
  );
});

t.test('an item that cannot be written ends a batch, and the next is heard', async t => {
  const transport = script((self, messages) => self.answer(ack(messages.at(-1)!)));
  const socket = new NetlinkSocket(transport);
  const items = operations(130);
  items[125] = {
    ...items[125]!,
    write: () => {
      throw new RangeError('no such address');
    },
  };
  await t.rejects(socket.batch(items, AS_OPERATIONS), new RangeError('no such address'));
  t.equal(transport.sent.length, 1);
  t.equal(kindsOf(3, await socket.batch(operations(3), AS_OPERATIONS)), 'ooo');
});

t.test('a failed exchange does not hold up the next', async t => {
  const socket = new NetlinkSocket(
    script((self, [message], count) => self.answer(ack(message!, count === 1 ? EINVAL : 0))),
  );
  const [first, second] = await Promise.allSettled([
    socket.request(operation('one')),
    socket.request(operation('two')),
  ]);
  t.equal(first.status, 'rejected');
  t.equal(second.status, 'fulfilled');
});

t.test('closing ends what waits and refuses what comes', async t => {
  const transport = script(() => undefined);
  const socket = new NetlinkSocket(transport);
  const waiting = socket.request(operation('one'));
  const batch = socket.batch(operations(2), AS_OPERATIONS);
  await new Promise(resolve => setImmediate(resolve));
  socket.close();
  socket.close();
  await t.rejects(waiting, { code: 'ECANCELED' });
  t.equal(kindsOf(2, await batch), 'ff', 'never sent');
  await t.rejects(socket.dump(operation('two')), { code: 'ECANCELED' });
  t.ok(transport.closed);
  t.equal(transport.sent.length, 1);
});
