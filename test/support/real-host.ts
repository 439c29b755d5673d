/** A reconciler that listens, at work on the real kernel of the present namespace, and that kernel as iproute2 tells it. */
import { spawnSync } from 'node:child_process';
import { pino } from 'pino';
import type { Test } from 'tap';
import type { Entry, FdbEntry, VxlanLink } from '../../src/dataplane/model.js';
import { keyOf } from '../../src/dataplane/kinds/index.js';
import { listenToKernel, type Listening } from '../../src/dataplane/kernel-listener.js';
import { concernOf, type Concern, type Interests } from '../../src/dataplane/kernel-watch.js';
import type { Message } from '../../src/dataplane/netlink/message.js';
import { NetlinkSocket } from '../../src/dataplane/netlink/socket.js';
import type { OffloadKeeper } from '../../src/dataplane/offload-keeper.js';
import { NetlinkKernel } from '../../src/dataplane/netlink-kernel.js';
import { Reconciler } from '../../src/dataplane/reconciler.js';
import {
  ALWAYS,
  DEVICE,
  NETWORK,
  OWN_ADDRESS,
  OWNERSHIP,
  peerEntries,
  UNDERLAY,
  vxlanLink,
} from './dataplane.js';
import { ip } from './in-namespace.js';

/** Less than until the next full check, which would mend what nobody has noticed. */
const DEADLINE_MS = 40_000;

/** A device in the words of `ip -d -j link`. */
export interface LinkWords {
  readonly ifindex: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly address: string;
  /** Absent when it is 0. */
  readonly txqlen?: number;
  readonly linkinfo?: { readonly info_kind: string; readonly info_data?: Readonly<Record<string, unknown>> };
}

export interface RealHost {
  readonly reconciler: Reconciler;
  readonly socket: NetlinkSocket;
  /** What the agent makes of an announcement that comes now. */
  readonly concernOf: (message: Message) => Concern | undefined;
  readonly stop: () => Promise<void>;
  /**
   * Waits until the loss of this FDB entry, which `lose` causes, has been heard, and what put it back as well. Announcements
   * come in order, so that those of before have been heard, too, and no pass is due because of them.
   * @param lose is called again when the loss was passed over, as it is while a device is news (`kernel-listener.ts`)
   */
  readonly mendsLoss: (fdb: FdbEntry, lose: () => void) => Promise<void>;
  /** How many times the reconciler has been told of a device. */
  readonly deviceNews: () => number;
  /**
   * Waits until the listener has heard of an FDB entry that came or went, at any time, or has passed over it because a
   * device was news.
   * @param newsBefore `deviceNews` before
   */
  readonly hears: (what: 'new' | 'gone', entry: Entry, newsBefore: number) => Promise<void>;
}

/** Makes the underlay: a pair of devices, 192.168.77.1/24 on one end. */
export function makeUnderlay(): void {
  ip('link', 'add', UNDERLAY, 'type', 'veth', 'peer', 'name', 'up1');
  ip('link', 'set', 'up1', 'up');
  ip('link', 'set', UNDERLAY, 'up');
  ip('address', 'add', '192.168.77.1/24', 'dev', UNDERLAY);
}

/** Starts a reconciler that ends with the test, its device gone. */
export function startRealHost(
  t: Test,
  link: VxlanLink = vxlanLink(),
  peers: readonly (readonly Entry[])[] = [2, 3, 4].map(n => peerEntries(n)),
  offload?: OffloadKeeper,
  nexthopRange = ALWAYS,
): RealHost {
  const log = pino({ level: 'silent' });
  const moments = { unexpected: -Infinity, heard: -Infinity };
  // How many readings had begun when something was heard, and how many have ended.
  const readings = { atNews: 0, ended: 0 };
  let deviceNews = 0;
  const announced: string[] = [];
  const socket = new NetlinkSocket();
  const kernel = new NetlinkKernel(socket);
  const reconciler = new Reconciler({
    kernel,
    ownership: OWNERSHIP,
    log,
    now: () => performance.now(),
    random: () => 0.5,
    nexthopRange,
    onReading: () => listening.catchUp(),
    onPass: () => (readings.ended = reconciler.readings.begun),
    ...(offload && { offload }),
  });
  const interests: Interests = {
    network: NETWORK,
    overlay: OWNERSHIP.devices,
    underlay: UNDERLAY,
    addressed: 'docker0',
    isExpected: (entry, isThere) => reconciler.isExpected(entry, isThere),
  };
  const listening: Listening = listenToKernel({
    interests: {
      ...interests,
      isExpected: (entry, isThere) => {
        announced.push(`${isThere ? 'new' : 'gone'}: ${keyOf(entry)}`);
        if (!reconciler.isExpected(entry, isThere)) moments.unexpected = performance.now();
        return reconciler.isExpected(entry, isThere);
      },
    },
    readings: () => reconciler.readings,
    devices: () => kernel.devices,
    ownPort: socket.port,
    log,
    onConcern: (concern, announced) => {
      moments.heard = performance.now();
      readings.atNews = reconciler.readings.begun;
      if (concern === 'entries') reconciler.doubt(announced);
      else {
        deviceNews++;
        reconciler.doubtAfterChange(concern);
      }
    },
  });
  reconciler.setHost([link], [OWN_ADDRESS]);
  peers.forEach((entries, index) => reconciler.setPeer(`${index}`, entries));
  reconciler.setPeersComplete();
  reconciler.allowPruning();
  const abort = new AbortController();
  const ended = reconciler.run(abort.signal);
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    listening.close();
    abort.abort();
    await ended;
    socket.close();
  };
  t.teardown(async () => {
    await stop();
    if (linkWords(DEVICE) !== undefined) ip('link', 'del', DEVICE);
  });
  const mendsLoss = async (fdb: FdbEntry, lose: () => void): Promise<void> => {
    for (;;) {
      const start = announced.length;
      const newsBefore = deviceNews;
      lose();
      const isHeard = (what: string) => announced.includes(`${what}: ${keyOf(fdb)}`, start);
      await poll(() => (isHeard('gone') && isHeard('new')) || deviceNews > newsBefore);
      if (isHeard('gone') && isHeard('new')) break;
      await poll(() => entriesOn(fdb.device).includes(`fdb ${fdb.mac} ${fdb.vtep} permanent`));
    }
    // What is heard is told a little later, for what comes together to be told together.
    await poll(() => moments.heard > moments.unexpected && readings.ended > readings.atNews);
  };
  const hears = (what: 'new' | 'gone', entry: Entry, newsBefore: number) =>
    poll(() => announced.includes(`${what}: ${keyOf(entry)}`) || deviceNews > newsBefore);
  const concern = (message: Message) => concernOf(message, interests, kernel.devices, socket.port);
  return { reconciler, socket, concernOf: concern, stop, mendsLoss, deviceNews: () => deviceNews, hears };
}

/**
 * Waits until `actual` gives what is expected, and has tap compare them when it does not in time.
 * @param deadlineMs of a wait that may be long on purpose
 */
export async function becomes<T>(
  t: Test,
  actual: () => T,
  expected: T,
  what: string,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const text = JSON.stringify(expected);
  await poll(() => JSON.stringify(actual()) === text, deadlineMs).catch(() => undefined);
  t.same(actual(), expected, what);
}

export async function poll(condition: () => boolean, deadlineMs = DEADLINE_MS): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${condition.toString()}`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

export function linkWords(name: string): LinkWords | undefined {
  return json<LinkWords>('ip', '-d', '-j', 'link', 'show').find(({ ifname }) => ifname === name);
}

/** What is on a device, one line for each entry, sorted: addresses, nexthop objects, routes of table main, neighbours, FDB entries. */
export function entriesOn(device: string): string[] {
  interface Words extends Record<string, string | undefined> {
    readonly dst?: string;
  }
  const addresses = json<{ addr_info: { family: string; local: string; prefixlen: number }[] }>(
    ...['ip', '-j', 'address', 'show', 'dev', device],
  )
    .flatMap(({ addr_info: all }) => all)
    .filter(({ family }) => family === 'inet')
    .map(({ local, prefixlen }) => `address ${local}/${prefixlen}`);
  const routes = json<Words & { flags: string[] }>('ip', '-j', '-4', 'route', 'show', 'dev', device).map(
    ({ dst, nhid, gateway, protocol, flags }) =>
      ['route', dst, ...(nhid === undefined ? [] : ['nhid', nhid]), 'via', gateway, ...flags]
        .concat(['proto', protocol ?? 'boot'])
        .join(' '),
  );
  const nexthops = json<Words & { flags: string[] }>('ip', '-j', 'nexthop', 'show', 'dev', device).map(
    ({ id, gateway, protocol, flags }) =>
      ['nexthop', id, 'via', gateway, ...flags, 'proto', protocol].join(' '),
  );
  const neighbours = json<Words & { state: string[] }>('ip', '-j', '-4', 'neigh', 'show', 'dev', device).map(
    ({ dst, lladdr, state }) => `neighbour ${dst} ${lladdr ?? '-'} ${state.join()}`,
  );
  const fdb = json<Words>('bridge', '-j', 'fdb', 'show', 'dev', device)
    .filter(({ dst }) => dst !== undefined)
    .map(({ mac, dst, state }) => `fdb ${mac} ${dst} ${state}`);
  return [...addresses, ...nexthops, ...routes, ...neighbours, ...fdb].sort();
}

/** @returns nothing where the command fails, as it does for a device that does not exist */
function json<T>(command: string, ...args: string[]): T[] {
  const { stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return JSON.parse(stdout === '' ? '[]' : stdout) as T[];
}
