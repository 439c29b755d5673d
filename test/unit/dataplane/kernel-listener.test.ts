/** What is heard of the kernel's announcements, and when: of those of entries, while ten thousand are ours, later. */
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { waitFor } from '../../../src/demo/wait.js';
import { UNREAD_NEWS } from '../../../src/dataplane/announced.js';
import { listenToKernel, type OnConcern } from '../../../src/dataplane/kernel-listener.js';
import type { DeviceTable } from '../../../src/dataplane/kinds/kind.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { encodeLink } from '../../../src/dataplane/netlink/link.js';
import type { MessageWriter } from '../../../src/dataplane/netlink/message.js';
import { encodeNeighbour } from '../../../src/dataplane/netlink/neighbour.js';
import { DEVICE, fdbEntry, NETWORK, newsOf, UNDERLAY, vtepOf } from '../../support/dataplane.js';
import { encode } from '../../support/fake-kernel.js';
import { fdbOn, MAC_A } from '../../support/netlink-contract-entries.js';

const NAMES = ['', 'lo', UNDERLAY, DEVICE];
const OVERLAY = NAMES.indexOf(DEVICE);
const devices: DeviceTable = { indexOf: name => NAMES.indexOf(name), nameOf: index => NAMES[index] };

const OF_A = fdbEntry('02:53:00:00:00:01', vtepOf(2));
/** As it is told when it is gone. */
const KEY_OF_A = { kind: 'fdb', device: DEVICE, mac: OF_A.mac } as const;
const fdb = (type: number, vtep = vtepOf(2)) =>
  encode(type, 0, 0, 0, (writer: MessageWriter) => encodeNeighbour(writer, fdbOn(OVERLAY, MAC_A, vtep)));
const come = (vtep?: string) => fdb(nl.RTM_NEWNEIGH, vtep);
const gone = () => fdb(nl.RTM_DELNEIGH);
const broken = () => encode(nl.RTM_NEWNEIGH, 0, 0, 0, () => undefined);
const newsOfDevice = () =>
  encode(nl.RTM_NEWLINK, 0, 0, 0, writer => encodeLink(writer, { index: OVERLAY, name: DEVICE }));

const OFTEN = { deadlineSeconds: 30, intervalMs: 5 };

/** A listener to what the test says, of a reconciler that reads as the test says and wants the entry of A alone. */
function listen(t: Test) {
  const told: Parameters<OnConcern>[] = [];
  const readings = { begun: 1, isFilling: true, isAhead: false };
  let asked = 0;
  let looks = 0;
  let say: (bytes: Uint8Array) => void = () => undefined;
  const listening = listenToKernel({
    interests: {
      network: NETWORK,
      overlay: new Set([DEVICE]),
      underlay: UNDERLAY,
      addressed: 'docker0',
      isExpected: (entry, isThere) => {
        asked++;
        return isThere && entry.kind === 'fdb' && entry.vtep === OF_A.vtep;
      },
    },
    readings: () => {
      looks++;
      return readings;
    },
    devices: () => devices,
    ownPort: 1000,
    log: pino({ level: 'silent' }),
    onConcern: (...news) => told.push(news),
    open: () => ({
      onData: listener => (say = listener),
      onLost: () => undefined,
      catchUp: () => undefined,
      close: () => undefined,
    }),
  });
  t.teardown(() => listening.close());
  return {
    readings,
    told,
    asked: () => asked,
    say: (bytes: Uint8Array) => say(bytes),
    isTold: (count: number) =>
      waitFor({ ...OFTEN, what: 'news', read: () => told.length, until: n => n >= count }),
    /** Until it has been looked again, by itself, how far the reading is. */
    looksAgain: () => {
      const before = looks;
      return waitFor({ ...OFTEN, what: 'another look', read: () => looks, until: now => now > before });
    },
  };
}

t.test('of entries nothing is asked while the kernel is being filled, and all afterwards', async t => {
  const { readings, told, asked, say, looksAgain, isTold } = listen(t);
  for (const bytes of [come(), come(), gone()]) say(bytes);
  await looksAgain();
  t.same([asked(), told], [0, []]);
  readings.isFilling = false;
  await isTold(1);
  t.equal(asked(), 3);
  t.same(told, [['entries', newsOf({ entry: KEY_OF_A, isThere: false })]]);
});

t.test('what came before comes before what comes then', async t => {
  const { readings, told, say, isTold } = listen(t);
  say(gone());
  readings.isFilling = false;
  say(come());
  await isTold(1);
  t.same(told, [['entries', newsOf({ entry: OF_A, isThere: true })]]);
});

t.test('what was announced before another reading began is in that', async t => {
  const { readings, told, asked, say, looksAgain } = listen(t);
  say(gone());
  Object.assign(readings, { begun: 2, isFilling: false });
  await looksAgain();
  t.same([asked(), told], [0, []]);
  say(come());
  t.equal(asked(), 1, 'the one that came after');
  Object.assign(readings, { begun: 3, isFilling: true });
  say(gone());
  Object.assign(readings, { begun: 4 });
  say(come());
  readings.isFilling = false;
  await looksAgain();
  t.equal(asked(), 2, 'and the one of this reading');
});

t.test('one that cannot be read is as good as lost', async t => {
  const { readings, told, say, isTold } = listen(t);
  say(broken());
  readings.isFilling = false;
  await isTold(1);
  t.same(told, [['underlay', UNREAD_NEWS]], 'so that everything is read');
});

t.test('so many that they would fill the memory are as good as lost', async t => {
  const { readings, told, asked, say, isTold } = listen(t);
  say(Buffer.concat(Array<Uint8Array>(100_001).fill(come())));
  readings.isFilling = false;
  await isTold(1);
  t.same([asked(), told], [0, [['underlay', UNREAD_NEWS]]]);
});

t.test('devices cannot wait; after news of one no entry is looked at, for all are read', async t => {
  const { readings, told, asked, say, isTold } = listen(t);
  say(newsOfDevice());
  await isTold(1);
  t.same(told, [['overlay', UNREAD_NEWS]]);
  readings.isFilling = false;
  say(newsOfDevice());
  say(come('192.168.77.99'));
  await isTold(2);
  t.same([told[1], asked()], [['overlay', UNREAD_NEWS], 0]);
});

t.test('of a flock only the first is looked at, the others when all are told', async t => {
  const { readings, told, asked, say, isTold } = listen(t);
  readings.isFilling = false;
  say(gone());
  for (let n = 0; n < 9; n++) say(come('192.168.77.99'));
  t.equal(asked(), 1);
  say(newsOfDevice());
  await isTold(1);
  t.same([told, asked()], [[['overlay', UNREAD_NEWS]], 1], 'which news of a device makes needless');
  say(gone());
  await isTold(2);
  t.same(told[1], ['entries', newsOf({ entry: KEY_OF_A, isThere: false })], 'and none come later');
});

t.test('one of a flock that cannot be read is as good as lost, too', async t => {
  const { readings, told, say, isTold } = listen(t);
  readings.isFilling = false;
  say(gone());
  say(broken());
  await isTold(1);
  t.same(told, [['underlay', UNREAD_NEWS]]);
});

t.test(
  'while all entries are about to be read, those that come are not looked at, but devices are',
  async t => {
    const { readings, told, asked, say, isTold } = listen(t);
    Object.assign(readings, { isFilling: false, isAhead: true });
    for (const bytes of [gone(), broken(), newsOfDevice(), gone()]) say(bytes);
    await isTold(1);
    t.same([told, asked()], [[['overlay', UNREAD_NEWS]], 0]);
    readings.isAhead = false;
    say(gone());
    await isTold(2);
    t.same(told[1], ['entries', newsOf({ entry: KEY_OF_A, isThere: false })]);
  },
);
