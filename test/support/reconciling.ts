/** A reconciler at work on a fake kernel, by way of real bytes, under a clock that stands still. */
import { pino } from 'pino';
import type { Test } from 'tap';
import type { Kernel } from '../../src/dataplane/kernel.js';
import type { Entry } from '../../src/dataplane/model.js';
import * as nl from '../../src/dataplane/netlink/constants.js';
import { readMessages } from '../../src/dataplane/netlink/message.js';
import { NetlinkSocket, type NetlinkStats } from '../../src/dataplane/netlink/socket.js';
import type { Transport } from '../../src/dataplane/netlink/transport.js';
import { NetlinkKernel } from '../../src/dataplane/netlink-kernel.js';
import { Reconciler } from '../../src/dataplane/reconciler.js';
import { ALWAYS, DEVICE, OWNERSHIP, sorted, UNDERLAY } from './dataplane.js';
import { FakeKernel } from './fake-kernel.js';
import { addressOn } from './netlink-contract-entries.js';

const DEADLINE_MS = 60_000;
/** Answers take a turn of the event loop each, timers that are due at most this long. */
const QUIET_TURNS = 100;
const QUIET_MS = 10;

/** A line of the log. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
}

/** Ways to disturb what passes between the socket and the kernel. */
export interface Disturbance {
  /** How many of the next datagrams with answers get lost. */
  losses: number;
  /** Messages of this RTM_* type are refused with EOPNOTSUPP. */
  refused: number | undefined;
}

export interface Reconciling {
  readonly fake: FakeKernel;
  readonly reconciler: Reconciler;
  readonly disturbance: Disturbance;
  readonly log: readonly LogLine[];
  readonly underlayIndex: number;
  passes(): number;
  /** What the reconciler has sent. */
  stats(): NetlinkStats;
  /** Waits until the reconciler sleeps. @throws when it does not within the deadline */
  settled(): Promise<void>;
  /** Waits for something that takes real time. @throws when it does not come within the deadline */
  until(condition: () => boolean): Promise<void>;
  /** Turns the clock on, lets the reconciler see it, and waits until it sleeps. */
  advance(milliseconds: number): Promise<void>;
  /** What the kernel holds on the overlay device, and all nexthop objects and routes, read over another socket. */
  held(): Promise<Entry[]>;
}

/**
 * Starts a reconciler, which ends with the test, on a kernel that has the underlay and its address.
 * @param fake the kernel that an earlier one has left
 * @param nexthopRange with how many peers nexthop objects are used: any, if not otherwise stated
 * @param random what spreads the periodic check, in [0, 1)
 */
export function startReconciling(
  t: Test,
  fake = new FakeKernel(),
  nexthopRange = ALWAYS,
  random = 0.5,
): Reconciling {
  const underlayIndex = fake.state.links.find(({ name }) => name === UNDERLAY)?.index ?? addUnderlay(fake);
  const disturbance: Disturbance = { losses: 0, refused: undefined };
  const socket = new NetlinkSocket(disturbed(fake.openTransport(), disturbance), { silenceMs: 20 });
  const witness = new NetlinkSocket(fake.openTransport());
  const log: LogLine[] = [];
  const logger = pino({ level: 'info' }, { write: line => void log.push(JSON.parse(line) as LogLine) });
  const calls = { open: 0 };
  let clock = 0;
  let passes = 0;
  const reconciler = new Reconciler({
    kernel: counting(new NetlinkKernel(socket), calls),
    ownership: OWNERSHIP,
    log: logger,
    now: () => clock,
    random: () => random,
    nexthopRange,
    onPass: () => passes++,
  });
  const stop = new AbortController();
  const ended = reconciler.run(stop.signal);
  t.teardown(async () => {
    stop.abort();
    await ended;
    socket.close();
    witness.close();
  });
  const settled = (): Promise<void> =>
    untilQuiet(
      () => `${passes} passes, ${calls.open} open calls, ${JSON.stringify(socket.stats)}`,
      () => calls.open > 0,
    );
  return {
    fake,
    reconciler,
    disturbance,
    log,
    underlayIndex,
    passes: () => passes,
    stats: () => socket.stats,
    settled,
    until,
    async advance(milliseconds) {
      clock += milliseconds;
      // Wakes the reconciler with nothing to do but look at the clock.
      reconciler.setPeer('nobody', []);
      await settled();
    },
    async held() {
      const kernel = new NetlinkKernel(witness);
      await kernel.readLinks();
      const entries = await kernel.readEntries(OWNERSHIP.devices);
      return sorted(
        entries.filter(
          entry => entry.kind === 'route' || entry.kind === 'nexthop' || entry.device === DEVICE,
        ),
      );
    },
  };
}

/** @returns its index */
function addUnderlay(fake: FakeKernel): number {
  const interfaceIndex = fake.addLink({ name: UNDERLAY });
  fake.state.addresses.push(addressOn(interfaceIndex, '192.168.77.1', 24));
  return interfaceIndex;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never: ${condition.toString()}`);
    await new Promise(resolve => setTimeout(resolve, 2));
  }
}

/** Waits until `state` stays the same for a while in which nothing is busy. */
async function untilQuiet(state: () => string, isBusy: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  let last = state();
  let turns = 0;
  let since = performance.now();
  while (turns < QUIET_TURNS || performance.now() - since < QUIET_MS) {
    if (Date.now() > deadline) throw new Error(`never quiet: ${state()}`);
    await new Promise(resolve => setImmediate(resolve));
    turns++;
    if (state() === last && !isBusy()) continue;
    last = state();
    turns = 0;
    since = performance.now();
  }
}

/** The same kernel with its unanswered calls counted: one that touches files takes as long as the machine likes. */
function counting(kernel: Kernel, calls: { open: number }): Kernel {
  const count = async <T>(call: Promise<T>): Promise<T> => {
    calls.open++;
    try {
      return await call;
    } finally {
      calls.open--;
    }
  };
  return {
    get hasNexthops() {
      return kernel.hasNexthops;
    },
    readLinks: () => count(kernel.readLinks()),
    readEntries: (devices, only) => count(kernel.readEntries(devices, only)),
    hasNexthop: id => count(kernel.hasNexthop(id)),
    findNeighbour: entry => count(kernel.findNeighbour(entry)),
    apply: ops => count(kernel.apply(ops)),
    createLink: link => count(kernel.createLink(link)),
    changeLink: (link, change) => count(kernel.changeLink(link, change)),
    removeLink: name => count(kernel.removeLink(name)),
  };
}

function disturbed(transport: Transport, disturbance: Disturbance): Transport {
  return {
    ...transport,
    send: (bytes, callback) => transport.send(refusing(bytes, disturbance.refused), callback),
    onMessage: listener =>
      transport.onMessage((bytes, sender) => {
        if (disturbance.losses === 0) listener(bytes, sender);
        else disturbance.losses--;
      }),
  };
}

/** RTM_NEWTCLASS: of rtnetlink, and nothing that the fake kernel knows. */
const UNKNOWN_TYPE = 40;

/** The same datagram, its messages of one type made into what no kernel here carries out. */
function refusing(bytes: Uint8Array, type: number | undefined): Uint8Array {
  const copy = Uint8Array.from(bytes);
  let start = 0;
  for (const message of readMessages(bytes)) {
    if (message.type === type) new Uint16Array(copy.buffer, start + 4, 1)[0] = UNKNOWN_TYPE;
    start += nl.NLMSG_HEADER_BYTES + ((message.body.length + 3) & ~3);
  }
  return copy;
}
