/** Ends and new beginnings of an agent, with numbered packets flowing both ways: none may be lost. */
import t from 'tap';
import { BACKENDS, containerOf, hostOf, leaseOf, reaches, startCluster } from '../support/cluster.js';
import { noneLost, packetsBetween } from '../support/uninterrupted.js';

/** Packets in each direction that flow before, between and after what is tested. */
const SOME_PACKETS = 1_000;
const TRIES = 3;

for (const type of BACKENDS) {
  t.test(`${type}: SIGTERM and kill -9 under traffic lose no packet`, async t => {
    const lab = await startCluster(t, { hosts: 2, backend: { Type: type } });
    const host = hostOf(lab, 1);
    const before = await leaseOf(lab, host);
    const stream = await packetsBetween(t, containerOf(hostOf(lab, 1)), containerOf(hostOf(lab, 2)));

    await stream.flow(SOME_PACKETS);
    const begun = performance.now();
    t.equal(await host.stopAgent(), 0, 'SIGTERM ends it with exit code 0');
    t.comment(`ended ${Math.round(performance.now() - begun)} ms after SIGTERM`);
    await stream.flow(SOME_PACKETS);
    await host.startAgent();
    await host.waitForHealth(1);
    await stream.flow(SOME_PACKETS);
    await host.killAgent();
    await stream.flow(SOME_PACKETS);
    await host.startAgent();
    await host.waitForHealth(1);
    await stream.flow(SOME_PACKETS);

    const { aToB, bToA } = await noneLost(t, stream);
    for (const { sentPerSecond } of [aToB, bToA]) t.comment(`${Math.round(sentPerSecond)} packets a second`);
    t.same(await leaseOf(lab, host), before, 'the key was not touched');
  });
}

t.test('a reboot keeps subnet, MAC and key', async t => {
  const lab = await startCluster(t, { hosts: 2 });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const key = await leaseOf(lab, one);
  const [link] = await one.namespace.ipJson('link', 'show', 'flannel.1');
  await one.reboot();
  t.equal(
    (await one.namespace.ipJson('link', 'show')).length,
    2,
    'lo and eth0 are all that a booted host has',
  );
  await one.startAgent();
  await one.waitForHealth(1);
  await one.addContainer();
  t.same(await leaseOf(lab, one), key, 'same subnet, and the key was not rewritten');
  const [again] = await one.namespace.ipJson('link', 'show', 'flannel.1');
  t.equal(again?.address, link?.address, 'same MAC');
  t.ok(await reaches(two, one), 'reached by the other host, which noticed nothing');
});

t.test('a reboot after the lease was lost keeps subnet and MAC from the state directory', async t => {
  const lab = await startCluster(t, { hosts: 1 });
  const one = hostOf(lab, 1);
  const { key, value } = await leaseOf(lab, one);
  await one.reboot();
  await lab.etcd.ctl('del', key);
  await one.startAgent();
  const status = await one.waitForHealth(0);
  t.equal(status.lease?.origin, 'state');
  const again = await leaseOf(lab, one);
  t.equal(again.key, key);
  // It is a new lease all the same, and begins now.
  const withoutSince = (text: string) => text.replace(/"Since":"[^"]*"/, '');
  t.equal(withoutSince(again.value), withoutSince(value));
});

t.test('SIGTERM ends an agent at once, whatever it waits for', async t => {
  const lab = await startCluster(t, { hosts: 1 });
  const one = hostOf(lab, 1);
  const { pid } = lab.etcd.process!;
  t.teardown(() => process.kill(pid, 'SIGCONT'));
  const seconds: number[] = [];
  for (;;) {
    process.kill(pid, 'SIGSTOP');
    const begun = performance.now();
    t.equal(await one.stopAgent(), 0, 'also while etcd is stalled');
    seconds.push((performance.now() - begun) / 1000);
    process.kill(pid, 'SIGCONT');
    // The pauses of a busy machine only add: the least of some tries is what it takes.
    if (Math.min(...seconds) < 4 || seconds.length === TRIES) break;
    await one.startAgent();
    await one.waitForHealth(0);
  }
  t.comment(`ended ${seconds.join(', ')} s after SIGTERM`);
  t.ok(Math.min(...seconds) < 4, 'it gives what it does half a second; a call to etcd would take 5 s');
});
