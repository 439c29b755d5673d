/** A fight with another program on the real kernel: what it costs, and what it does not hold up. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { nexthopIdOf } from '../../src/dataplane/nexthop-id.js';
import { DEVICE, macOf, peerEntries, subnetOf, vtepOf } from '../support/dataplane.js';
import { inNamespace, ip } from '../support/in-namespace.js';
import { becomes, entriesOn, linkWords, makeUnderlay, poll, startRealHost } from '../support/real-host.js';

/** Rounds of the other program; bounded, should the test die. */
const MOST_ROUNDS = 2_000;
const ROUNDS = 50;
/** The longest pause, and some time to find out. */
const PAUSE_MS = 70_000;

/** A program that runs a command over and over until the test ends, and counts. */
function startFighter(t: Test, command: string): { rounds: () => number; stop: () => Promise<void> } {
  const script = `for i in $(seq ${MOST_ROUNDS}); do ${command} 2>/dev/null && echo done || echo absent; sleep 0.01; done`;
  const child: ChildProcess = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  t.teardown(stop);
  return { rounds: () => output.split('\n').length - 1, stop };
}

void inNamespace(t, import.meta.url, () => {
  makeUnderlay();

  t.test('a route that another program deletes whenever it sees it', async t => {
    const { reconciler, socket } = startRealHost(t);
    await becomes(t, () => reconciler.view.settled, true, 'programmed');
    const before = socket.stats.changes;
    const fighter = startFighter(t, 'ip route del 10.5.3.0/24');
    await poll(() => reconciler.view.contests.length > 0 && fighter.rounds() >= ROUNDS);
    t.match(reconciler.view.contests, [{ what: /^route 10\.5\.3\.0\/24/ }]);
    const started = socket.stats.changes - before;
    t.ok(started >= 6 && started <= 12, `${started} writes in ${fighter.rounds()} rounds`);

    const changesBefore = socket.stats.changes;
    reconciler.setPeer('5', peerEntries(5));
    await becomes(t, () => reconciler.peerState('5').programmed, true, 'a new peer is programmed');
    ip('neigh', 'del', '10.5.2.0', 'dev', DEVICE);
    const neighbour = `neighbour 10.5.2.0 ${macOf(2)} PERMANENT`;
    await becomes(t, () => entriesOn(DEVICE).includes(neighbour), true, 'other damage is mended');
    t.ok(socket.stats.changes - changesBefore <= 8, 'and nothing else is sent');
    // It is there for a moment whenever it has been put back.
    let state = reconciler.peerState('1');
    await poll(() => !(state = reconciler.peerState('1')).programmed);
    t.match(state, { error: /another program keeps undoing it/ });

    await fighter.stop();
    const route = `route 10.5.3.0/24 nhid ${nexthopIdOf(subnetOf(3))} via 10.5.3.0 onlink proto 83`;
    await becomes(
      t,
      () => entriesOn(DEVICE).includes(route),
      true,
      'the route, once it is left alone',
      PAUSE_MS,
    );
  });

  t.test('what goes with a device, however often, is no fight over entries', async t => {
    const { reconciler } = startRealHost(t);
    await becomes(t, () => reconciler.view.settled, true, 'programmed');
    const whole = entriesOn(DEVICE);
    // The sixth repair of a thing makes a contest; the next would wait.
    for (let n = 0; n < 6; n++) {
      ip('link', 'set', DEVICE, 'down');
      await becomes(t, () => entriesOn(DEVICE), whole, 'all is back');
    }
    const what = reconciler.view.contests.map(contest => contest.what);
    t.same(what, [`device ${DEVICE} up true`], 'the device alone is fought over');
  });

  t.test('a device that another program gives another MTU', async t => {
    const { reconciler, socket } = startRealHost(t);
    await becomes(t, () => reconciler.view.settled, true, 'programmed');
    const before = socket.stats.changes;
    const fighter = startFighter(t, `ip link set ${DEVICE} mtu 1400`);
    await poll(() => reconciler.view.contests.length > 0 && fighter.rounds() >= ROUNDS);
    t.match(reconciler.view.contests, [{ what: `device ${DEVICE} mtu 1450` }]);
    t.ok(socket.stats.changes - before <= 12, `${socket.stats.changes - before} writes`);
    reconciler.setPeer('5', peerEntries(5));
    await becomes(t, () => reconciler.peerState('5').programmed, true, 'a new peer is programmed');
    await fighter.stop();
    await becomes(t, () => linkWords(DEVICE)?.mtu, 1450, 'the MTU, once it is left alone', PAUSE_MS);
  });

  t.test('a forwarding entry that is changed, not deleted', async t => {
    const { reconciler, socket } = startRealHost(t);
    await becomes(t, () => reconciler.view.settled, true, 'programmed');
    const before = socket.stats.changes;
    const wrong = `bridge fdb replace ${macOf(2)} dev ${DEVICE} self permanent dst 192.168.77.99`;
    const fighter = startFighter(t, wrong);
    await poll(() => reconciler.view.contests.length > 0 && fighter.rounds() >= ROUNDS);
    t.match(reconciler.view.contests, [{ what: new RegExp(`^fdb ${macOf(2)}`) }]);
    t.ok(socket.stats.changes - before <= 12, `${socket.stats.changes - before} writes`);
    await fighter.stop();
    const right = `fdb ${macOf(2)} ${vtepOf(2)} permanent`;
    await becomes(t, () => entriesOn(DEVICE).includes(right), true, 'right, once it is left alone', PAUSE_MS);
  });
});
