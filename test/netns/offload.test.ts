/** The checksum offload of a VXLAN device on the real kernel: set, kept, and what depends on it. */
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { NetlinkOffload } from '../../src/dataplane/offload.js';
import { OffloadKeeper } from '../../src/dataplane/offload-keeper.js';
import { DEVICE, macOf, peerEntries, UNDERLAY, vtepOf, vxlanLink } from '../support/dataplane.js';
import { inNamespace, ip, namespaceName } from '../support/in-namespace.js';
import { becomes, entriesOn, makeUnderlay, startRealHost } from '../support/real-host.js';

const PACKETS = 5;
const PORT = 7001;
/** Within a cable's length: where none is to come, what has not come by then was dropped. */
const LATEST_MS = 2_000;
/** Of what is to come. */
const DEADLINE_MS = 60_000;

/** As `ethtool -k` has it. */
function offload(): string | undefined {
  try {
    const text = execFileSync('ethtool', ['-k', DEVICE], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return /tx-checksum-ip-generic: (\w+)/.exec(text)?.[1];
  } catch {
    return undefined;
  }
}

const set = (value: 'on' | 'off') =>
  execFileSync('ethtool', ['-K', DEVICE, 'tx-checksum-ip-generic', value], { stdio: 'ignore' });

function startWith(t: Test, wanted: 'on' | 'off' | undefined): OffloadKeeper {
  const netlink = new NetlinkOffload();
  t.teardown(() => netlink.close());
  const keeper = new OffloadKeeper(netlink, wanted, pino({ level: 'silent' }));
  startRealHost(t, vxlanLink(), [peerEntries(2)], keeper);
  return keeper;
}

/** The host behind the other end of the cable, in a namespace of its own, with a device of flannel's making. */
function makeRemote(t: Test): string {
  const name = `${namespaceName()}-b`;
  ip('netns', 'add', name);
  t.teardown(() => ip('netns', 'del', name));
  const run = (text: string): unknown => ip('-n', name, ...text.split(' '));
  ip('link', 'set', 'up1', 'netns', name);
  run('link set up1 up');
  run(`address add ${vtepOf(2)}/24 dev up1`);
  run(
    `link add ${DEVICE} address ${macOf(2)} type vxlan id 1 dev up1 local ${vtepOf(2)} dstport 8472 nolearning`,
  );
  run(`address add 10.5.2.0/32 dev ${DEVICE}`);
  run(`link set ${DEVICE} up`);
  return name;
}

const LISTENER = `
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', message => console.log('packet ' + message));
  socket.bind(${PORT}, '10.5.2.0', () => console.log('listening'));`;

/** How many of the packets to the peer's overlay address arrive. @param expected so many are waited for */
async function arriving(remote: string, expected: number): Promise<number> {
  const listener = spawn('ip', ['netns', 'exec', remote, process.execPath, '-e', LISTENER], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(listener, 'exit');
  const failed = ended.then(() => Promise.reject(new Error('the listener has ended')));
  failed.catch(() => undefined);
  let output = '';
  listener.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const count = (): number => output.split('packet ').length - 1;
  while (!output.includes('listening')) await Promise.race([once(listener.stdout, 'data'), failed]);
  const socket = createSocket('udp4');
  for (let i = 0; i < PACKETS; i++) {
    // With a payload, so that there is something to sum up.
    await new Promise(resolve => socket.send(`number ${i}`, PORT, '10.5.2.0', resolve));
  }
  socket.close();
  const deadline = Date.now() + (expected === 0 ? LATEST_MS : DEADLINE_MS);
  while (count() < PACKETS && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 10));
  listener.kill('SIGKILL');
  await ended;
  return count();
}

void inNamespace(t, import.meta.url, () => {
  makeUnderlay();

  t.test('set on a new device, and put back when somebody changes it', async t => {
    const keeper = startWith(t, 'off');
    const known = { wanted: 'off', held: 'off', error: undefined } as const;
    await becomes(t, offload, 'off', 'off');
    await becomes(t, () => keeper.state, known, 'and known to be');
    set('on');
    await becomes(t, offload, 'off', 'off again');
    await becomes(t, () => keeper.state, known, 'and known to be');
  });

  t.test('on likewise', async t => {
    startWith(t, 'on');
    await becomes(t, offload, 'on', 'on');
    set('off');
    await becomes(t, offload, 'on', 'on again');
  });

  t.test('without a wish it is read and left alone', async t => {
    const keeper = startWith(t, undefined);
    await becomes(t, offload, 'on', 'as the kernel makes it');
    set('off');
    await becomes(t, () => keeper.state.held, 'off', 'seen');
    t.equal(offload(), 'off', 'and left');
  });

  t.test('a firewall that changes the source of tunnel packets', async t => {
    const remote = makeRemote(t);
    ip('address', 'add', '192.168.77.77/24', 'dev', UNDERLAY);
    // As a network card: between two ends of one cable in one kernel nobody would look at checksums.
    execFileSync('ethtool', ['-K', UNDERLAY, 'tx', 'off'], { stdio: 'ignore' });
    const rules =
      'add table ip sv\nadd chain ip sv post { type nat hook postrouting priority 100; }\n' +
      `add rule ip sv post oifname ${UNDERLAY} udp dport 8472 snat to 192.168.77.77:30000-40000\n`;
    execFileSync('nft', ['-f', '-'], { input: rules });
    for (const [wanted, arrived] of [
      ['off', PACKETS],
      ['on', 0],
    ] as const) {
      await t.test(`offload ${wanted}`, async t => {
        const keeper = startWith(t, wanted);
        await becomes(t, () => keeper.state.held, wanted, 'set');
        await becomes(t, () => entriesOn(DEVICE).length, 5, 'the peer is programmed');
        t.equal(await arriving(remote, arrived), arrived, `${arrived} of ${PACKETS} packets arrive`);
      });
    }
  });
});
