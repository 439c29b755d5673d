/** The way to the kernel over libc's calls. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import t from 'tap';
import { loadLibc } from '../../src/libc/libc.js';
import * as nl from '../../src/dataplane/netlink/constants.js';
import { openLibcTransport } from '../../src/dataplane/netlink/libc-transport.js';
import { MessageWriter, readMessages } from '../../src/dataplane/netlink/message.js';
import { inNamespace } from '../support/in-namespace.js';
import { waitFor } from '../../src/demo/wait.js';

/** So many requests for the names of devices that do not exist, each of which the kernel refuses. */
function refusedRequests(count: number, first = 1): Uint8Array {
  const writer = new MessageWriter();
  for (let index = 0; index < count; index++) {
    writer.beginMessage(nl.RTM_GETLINK, nl.NLM_F_REQUEST, first + index);
    for (const word of [0, 99_999, 0, 0]) writer.u32(word);
    writer.endMessage();
  }
  return writer.bytes();
}

/** Of linux/netlink.h: the kernel passes over it. */
const NLMSG_NOOP = 1;

/** A refused request behind so many bytes that ask for nothing. */
function paddedRequest(bytes: number, sequence: number): Uint8Array {
  const writer = new MessageWriter();
  writer.beginMessage(NLMSG_NOOP, 0, 0);
  for (let length = 0; length < bytes; length += 4) writer.u32(0);
  writer.endMessage();
  return Buffer.concat([writer.bytes(), refusedRequests(1, sequence)]);
}

/** A transport, and what comes of it. @param receiveBuffer the kernel's default when left out */
function open(receiveBuffer = 212_992) {
  const transport = openLibcTransport(loadLibc(), nl.NETLINK_ROUTE, receiveBuffer);
  const heard: number[] = [];
  const errors: (string | undefined)[] = [];
  transport.onMessage((bytes, sender) => {
    t.equal(sender, 0, 'the kernel says so');
    for (const { sequence } of readMessages(bytes)) heard.push(sequence);
  });
  transport.onError(error => errors.push((error as NodeJS.ErrnoException).code));
  const send = (bytes: Uint8Array) =>
    new Promise<string | undefined>(resolve =>
      transport.send(bytes, error => resolve((error as NodeJS.ErrnoException | undefined)?.code)),
    );
  return { transport, heard, errors, send };
}

/** How many sockets this process has. */
function sockets(): number {
  return readdirSync('/proc/self/fd').filter(descriptor => isSocket(`/proc/self/fd/${descriptor}`)).length;
}

function isSocket(path: string): boolean {
  try {
    return readlinkSync(path).startsWith('socket:');
  } catch {
    // The descriptor of the reading itself is gone.
    return false;
  }
}

void inNamespace(t, import.meta.url, () => {
  t.test('what is small is sent and answered at once, what is large in the background', async t => {
    const { transport, heard, send } = open();
    const small = send(refusedRequests(2));
    t.same(heard, [1, 2]);
    t.equal(await small, undefined);
    const large = send(refusedRequests(200, 3));
    t.equal(heard.length, 2, 'this thread goes on');
    t.equal(await large, undefined);
    t.equal(heard.length, 202);
    transport.close();
  });

  t.test('what comes while the other thread is at work follows in its order, small or large', async t => {
    const { transport, heard, send } = open();
    // Together they are longer than a datagram may be.
    const paddings = [100_000, 0, 150_000, 40_000, 150_000, 0];
    const ends = paddings.map((bytes, index) => send(paddedRequest(bytes, index + 1)));
    t.same(heard, []);
    t.same(
      await Promise.all(ends),
      paddings.map(() => undefined),
    );
    t.same(heard, [1, 2, 3, 4, 5, 6]);
    transport.close();
  });

  t.test('a send that fails is told to all whose messages were in it, and those behind go on', async t => {
    const { heard, send } = open();
    const large = send(refusedRequests(200));
    const refused = send(new Uint8Array(16 << 20));
    const behind = send(refusedRequests(2, 201));
    t.same(await Promise.all([large, refused, behind]), [undefined, 'EMSGSIZE', undefined]);
    t.equal(heard.length, 202);
  });

  t.test('of more calls than other threads take at once, all are told what became of them', async t => {
    const transports = Array.from({ length: 300 }, () => open());
    const ends = await Promise.all(transports.map(({ send }) => send(paddedRequest(8_000, 1))));
    t.same([...new Set(ends)].sort(), ['ENOBUFS', undefined]);
    const late = transports[ends.indexOf('ENOBUFS')]!;
    t.equal(await late.send(paddedRequest(8_000, 2)), undefined, 'and it goes on');
    t.same(late.heard, [2]);
    for (const { transport } of transports) transport.close();
  });

  t.test('answers that the buffer cannot hold are told to be lost, and it goes on', async t => {
    const { transport, heard, errors, send } = open();
    t.equal(await send(refusedRequests(transport.answerCapacity)), undefined);
    t.same(errors, [], 'so many fit');
    t.equal(heard.splice(0).length, transport.answerCapacity);
    t.equal(await send(refusedRequests(3_000)), undefined);
    t.same([...new Set(errors)], ['ENOBUFS']);
    t.ok(heard.length > 0 && heard.length < 3_000, 'what came before can be read');
    heard.length = 0;
    await send(refusedRequests(1, 7));
    t.same(heard, [7]);
    transport.close();
  });

  t.test(
    'the receive buffer is as large as wished, with privileges and where the system’s limit allows',
    t => {
      const own = new URL('../../src/dataplane/netlink/libc-transport.js', import.meta.url).href;
      const libc = new URL('../../src/libc/libc.js', import.meta.url).href;
      const script = `const { loadLibc } = await import('${libc}'); const { openLibcTransport } = await import('${own}');
      console.log(openLibcTransport(loadLibc(), 0, 64 << 20).answerCapacity)`;
      const node = [process.execPath, '--input-type=module', '--eval', script];
      const capacity = (...before: string[]) => {
        const [program, ...argv] = [...before, ...node];
        return Number(execFileSync(program!, argv, { encoding: 'utf8' }));
      };
      t.ok(capacity() >= 64 << 10);
      const unprivileged = capacity('setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin');
      t.ok(unprivileged > 0 && unprivileged < 64 << 10, String(unprivileged));
      t.end();
    },
  );

  t.test('what the kernel does not take is a refusal with its name', async t => {
    const { transport, send } = open();
    t.equal(await send(new Uint8Array(16 << 20)), 'EMSGSIZE');
    transport.close();
    t.equal(await send(refusedRequests(1)), 'EBADF');
  });

  t.test('a socket that another thread is using is closed when that is done', async t => {
    const before = sockets();
    const { transport, send } = open();
    let told = false;
    void send(refusedRequests(3_000)).then(() => (told = true));
    transport.close();
    transport.close();
    t.equal(sockets(), before + 1);
    await waitFor({
      what: 'the socket to be closed',
      read: sockets,
      until: count => count === before,
    });
    t.equal(told, false, 'nobody is told any more');
  });
});
