/** The notification socket on the real kernel: it hears, outlives an overflow, and leaves no process behind. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { pino } from 'pino';
import t from 'tap';
import { UNREAD_NEWS, type News } from '../../src/dataplane/announced.js';
import { listenToKernel } from '../../src/dataplane/kernel-listener.js';
import type { DeviceTable } from '../../src/dataplane/kinds/kind.js';
import * as nl from '../../src/dataplane/netlink/constants.js';
import type { Message } from '../../src/dataplane/netlink/message.js';
import { decodeNeighbour, encodeNeighbour } from '../../src/dataplane/netlink/neighbour.js';
import { NotificationSocket } from '../../src/dataplane/netlink/notifications.js';
import { NetlinkSocket } from '../../src/dataplane/netlink/socket.js';
import { openSubscription } from '../../src/dataplane/netlink/subscription.js';
import { loadLibc, type Libc } from '../../src/libc/libc.js';
import { newsOf, prefix } from '../support/dataplane.js';
import { inNamespace, ip, namespaceName } from '../support/in-namespace.js';
import { arpOn, MAC_A } from '../support/netlink-contract-entries.js';

const SUBSCRIPTION = new URL('../../src/dataplane/netlink/subscription.js', import.meta.url).href;

const DEADLINE_MS = 60_000;
/** Processes in the namespace while nothing listens: this one, and the `ip` that counts. */
const IDLE = 2;

/** Of a reconciler that has nothing to do. */
const IDLE_READINGS = { begun: 1, isFilling: false, isAhead: false };

/** Of a subscription that overflows soon. */
const SMALL_BUFFER = 1024 * 1024;

/** More announcements than that holds, which the kernel doubles, at about 768 bytes each. */
const FLOOD = Array.from(
  { length: 10_000 },
  (_, index) =>
    `neigh replace 10.77.${index >> 8}.${index & 255} lladdr 02:53:00:00:00:01 dev sv1 nud permanent`,
).join('\n');

const LIBC = loadLibc();

/** The ways in which announcements come to this process. */
const WAYS: Readonly<Record<string, Libc | undefined>> = {
  'read by this process': LIBC,
  'copied, as without libc': undefined,
  'copied, as of a kernel that does not count losses': { ...LIBC, getsockopt: () => -1 },
};

const openSmall = (libc: Libc | undefined) => (groups: readonly number[]) =>
  openSubscription(groups, { libc, receiveBuffer: SMALL_BUFFER });

void inNamespace(t, import.meta.url, () => {
  ip('link', 'add', 'sv1', 'type', 'vxlan', 'id', '1', 'dstport', '8472');
  ip('link', 'set', 'sv1', 'up');

  t.test(
    'addresses and routes of IPv6, which come to every device by themselves, are not heard of',
    async t => {
      const families: number[] = [];
      const onMessage = ({ type, body }: Message) => {
        if (type === nl.RTM_NEWADDR || type === nl.RTM_NEWROUTE) families.push(body[0]!);
      };
      const socket = new NotificationSocket({ onMessage, onOverflow: reason => t.fail(reason) });
      t.teardown(() => socket.close());
      if (existsSync('/proc/sys/net/ipv6')) ip('address', 'add', 'fd00::1/64', 'dev', 'sv1', 'nodad');
      ip('address', 'add', '10.97.0.1/24', 'dev', 'sv1');
      await poll(() => families.length > 0);
      t.same(new Set(families), new Set([nl.AF_INET]));
    },
  );

  for (const [way, libc] of Object.entries(WAYS)) {
    t.test(`a flood that overflows is told, and then it hears again: ${way}`, async t => {
      ip('neigh', 'flush', 'dev', 'sv1', 'nud', 'permanent');
      const heard = new Set<string>();
      let overflows = 0;
      const listener = {
        onMessage: ({ type, body }: Message) => {
          if (type === nl.RTM_NEWNEIGH) heard.add(decodeNeighbour(body).destination?.join('.') ?? '');
        },
        onOverflow: () => overflows++,
      };
      const socket = new NotificationSocket(listener, { open: openSmall(libc) });
      t.teardown(() => socket.close());
      const put = (address: string) =>
        ip('neigh', 'replace', address, 'lladdr', '02:53:00:00:00:01', 'dev', 'sv1', 'nud', 'permanent');
      put('10.99.0.1');
      await poll(() => heard.has('10.99.0.1'));
      t.equal(overflows, 0);
      // This thread reads nothing meanwhile, so the buffers fill.
      execFileSync('ip', ['-batch', '-'], { input: FLOOD });
      await poll(() => overflows > 0);
      t.pass('the loss is told');
      put('10.99.0.2');
      await poll(() => heard.has('10.99.0.2'));
      t.pass('and what came later was heard');
    });
  }

  t.test('whoever catches up has heard what was announced before', async t => {
    const heard: string[] = [];
    const socket = new NotificationSocket({
      onMessage: ({ type, body }) => {
        const address = type === nl.RTM_NEWNEIGH ? decodeNeighbour(body).destination?.join('.') : undefined;
        // The kernel has neighbours of its own.
        if (address?.startsWith('10.96.') === true) heard.push(address);
      },
      onOverflow: reason => t.fail(reason),
    });
    t.teardown(() => socket.close());
    const addresses = Array.from({ length: 2_000 }, (_, n) => `10.96.${n >> 8}.${n & 255}`);
    const input = addresses.map(
      each => `neigh replace ${each} lladdr 02:53:00:00:00:01 dev sv1 nud permanent`,
    );
    execFileSync('ip', ['-batch', '-'], { input: input.join('\n') });
    t.same(heard, [], 'this thread has done nothing else');
    socket.catchUp();
    t.same(heard, addresses);
    ip('neigh', 'replace', '10.96.99.1', 'lladdr', '02:53:00:00:00:01', 'dev', 'sv1', 'nud', 'permanent');
    await poll(() => heard.length > addresses.length);
    t.same(heard.slice(addresses.length), ['10.96.99.1'], 'and what comes then is heard as ever, once');
    socket.close();
    socket.catchUp();
    t.equal(heard.length, addresses.length + 1, 'of a closed one nothing');
  });

  t.test('what a port causes is not even announced to a subscription without it', async t => {
    const sockets = [new NetlinkSocket(), new NetlinkSocket()] as const;
    t.teardown(() => sockets.forEach(socket => socket.close()));
    const [own, other] = sockets;
    const heard: (readonly [address: string, port: number])[] = [];
    const listener = {
      onMessage: ({ type, port, body }: Message) => {
        const address = type === nl.RTM_NEWNEIGH ? decodeNeighbour(body).destination?.join('.') : undefined;
        if (address?.startsWith('10.98.') === true) heard.push([address, port]);
      },
      onOverflow: (reason: string) => t.fail(reason),
    };
    const open = (groups: readonly number[]) => openSubscription(groups, { withoutPort: own.port });
    const listening = new NotificationSocket(listener, { open });
    t.teardown(() => listening.close());
    const index = Number(/^(\d+):/.exec(ip('-o', 'link', 'show', 'sv1'))?.[1]);
    const putNeighbour = (socket: NetlinkSocket, last: number) =>
      socket.request({
        type: nl.RTM_NEWNEIGH,
        flags: nl.NLM_F_CREATE,
        describe: () => `neighbour ${last}`,
        write: writer => encodeNeighbour(writer, arpOn(index, `10.98.0.${last}`, MAC_A)),
      });
    for (const [socket, last] of [
      [own, 1],
      [other, 2],
      [own, 3],
      [other, 4],
    ] as const)
      await putNeighbour(socket, last);
    await poll(() => heard.some(([address]) => address === '10.98.0.4'));
    t.same(heard, [
      ['10.98.0.2', other.port],
      ['10.98.0.4', other.port],
    ]);
  });

  t.test('a flood of what is no news makes all of it news', async t => {
    const told: unknown[] = [];
    const nobody = {
      network: prefix('10.5.0.0/16'),
      overlay: new Set(['sv9']),
      underlay: 'sv8',
      addressed: 'sv7',
    };
    const devices: DeviceTable = { indexOf: () => 0, nameOf: index => `device ${index}` };
    const listening = listenToKernel({
      interests: { ...nobody, isExpected: () => true },
      readings: () => IDLE_READINGS,
      devices: () => devices,
      ownPort: 0xffff,
      log: pino({ level: 'silent' }),
      onConcern: (...news) => told.push(news),
      open: openSmall(LIBC),
    });
    t.teardown(() => listening.close());
    // Again, for it is there by now, as somebody else's: that is announced, too.
    execFileSync('ip', ['-batch', '-'], { input: FLOOD.replaceAll(':01 dev', ':02 dev') });
    await poll(() => told.length > 0);
    t.same(told, [['underlay', UNREAD_NEWS]], 'so that everything is read and tried again');
  });

  t.test('what is put back at once is told as there', async t => {
    const told: unknown[][] = [];
    const entry = 'fdb add 02:53:00:00:00:09 dev sv1 self permanent dst 192.168.77.9';
    const bridge = (...lines: string[]) =>
      execFileSync('bridge', ['-batch', '-'], { input: lines.join('\n') });
    bridge(entry);
    const devices: DeviceTable = { indexOf: () => 0, nameOf: () => 'sv1' };
    const listening = listenToKernel({
      interests: {
        network: prefix('10.5.0.0/16'),
        overlay: new Set(['sv1']),
        underlay: 'sv8',
        addressed: 'sv7',
        isExpected: (_, isThere) => isThere,
      },
      readings: () => IDLE_READINGS,
      devices: () => devices,
      ownPort: 0xffff,
      log: pino({ level: 'silent' }),
      onConcern: (...news) => told.push(news),
    });
    t.teardown(() => listening.close());
    // News of a device, which the kernel may tell a second late, covers that of its entries; and on a machine that stands
    // still in between the one is told before the other comes. Then once more.
    const isOfDevice = () => told.some(([concern]) => concern !== 'entries');
    const isTorn = () =>
      told.some(([, all]) => [...(all as News).entries.values()].some(({ isThere }) => !isThere));
    let rounds = 0;
    do {
      told.length = 0;
      bridge('fdb del 02:53:00:00:00:09 dev sv1 self', entry);
      await poll(() => told.length > 0);
    } while (isOfDevice() || (isTorn() && ++rounds < 5));
    const fdb = { kind: 'fdb', device: 'sv1', mac: '02:53:00:00:00:09', vtep: '192.168.77.9' } as const;
    t.same(told, [['entries', newsOf({ entry: fdb, isThere: true })]]);
  });

  t.test('a process without a descriptor left survives, and hears again once it has some', async t => {
    const module = new URL('../../src/dataplane/netlink/notifications.js', import.meta.url).href;
    // Two are left: for the socket, and for finding its descriptor. The pipes of the copy need more.
    const code = `import { closeSync, openSync } from 'node:fs';
      import { NotificationSocket } from ${JSON.stringify(module)};
      import { openSubscription } from ${JSON.stringify(SUBSCRIPTION)};
      const hoard = [];
      try { for (;;) hoard.push(openSync('/dev/null')); } catch {}
      for (let i = 0; i < 2; i++) closeSync(hoard.pop());
      const socket = new NotificationSocket({
        onMessage: () => undefined,
        onOverflow: reason => { console.log(reason); socket.close(); },
      }, { open: groups => openSubscription(groups, { libc: undefined }) });
      setTimeout(() => hoard.forEach(closeSync), 0);`;
    const script = 'ulimit -n 64; exec "$0" --input-type=module -e "$1"';
    const child = spawn('/bin/sh', ['-c', script, process.execPath, code], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const heard: string[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => heard.push(bytes.toString()));
    const timer = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
    const [exitCode] = (await once(child, 'close')) as [number | null];
    clearTimeout(timer);
    t.equal(heard.join(''), 'spawn /bin/sh EMFILE\n');
    t.equal(exitCode, 0);
  });

  t.test('a process that is killed leaves no process behind', async t => {
    const code = `import { openSubscription } from ${JSON.stringify(SUBSCRIPTION)};
      openSubscription([1], { libc: undefined }).onData(() => undefined); console.log('open');`;
    await poll(() => pids() === IDLE);
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await poll(() => pids() === IDLE + 3);
    t.pass('the child, its shell and the copy are there');
    child.kill('SIGKILL');
    await once(child, 'exit');
    await poll(() => pids() === IDLE);
    t.pass('and nothing is left');
  });

  t.test('where it reads by itself, it needs no other process', async t => {
    await poll(() => pids() === IDLE);
    const subscription = openSubscription([1], { libc: LIBC });
    let heard = 0;
    subscription.onData(bytes => (heard += bytes.length));
    ip('link', 'set', 'sv1', 'mtu', '1400');
    await poll(() => heard > 0);
    t.equal(pids(), IDLE);
    subscription.close();
  });
});

/** How many processes are in this namespace. */
function pids(): number {
  return ip('netns', 'pids', namespaceName()).trim().split('\n').length;
}

async function poll(done: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!done()) {
    if (Date.now() > deadline) throw new Error('deadline');
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
