/** How far etcd was followed is noted soon, never in doubt, and read again. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { emptyFacts } from '../../../src/daemon/facts.js';
import { writeFileAtomically, type WriteFile } from '../../../src/daemon/files.js';
import { historyFileOf, keepHistory, recallHistory } from '../../../src/daemon/history.js';
import { resolveAgentOptions } from '../../../src/daemon/options.js';
import { Doubt } from '../../../src/subnet/doubt.js';
import { FakeClock } from '../../support/fake-clock.js';
import { matchAll } from '../../support/match-all.js';
import { recordedLog } from '../../support/recorded-log.js';

function optionsIn(t: Test, prefix = '/net') {
  const resolved = resolveAgentOptions({}, [], {});
  if (!resolved.ok) throw new Error('defaults');
  const { etcd } = resolved.options;
  return { instanceStateDir: join(t.testdir(), 'net'), etcd: { ...etcd, prefix } };
}

/** An agent whose disk is in memory, for a fake clock does not wait for a real one. */
function running(t: Test) {
  const { log, lines } = recordedLog();
  const [clock, facts, stop] = [new FakeClock(), emptyFacts(0), new AbortController()];
  const etcd = { clusterId: 'c', revision: 0n };
  const disk: { contents?: string; writes: number; fault?: string } = { writes: 0 };
  const write: WriteFile = (_, contents) => {
    if (disk.fault !== undefined) return Promise.reject(new Error(disk.fault));
    if (disk.contents === contents) return Promise.resolve('unchanged');
    disk.contents = contents;
    disk.writes++;
    return Promise.resolve('written');
  };
  const position = () => (etcd.revision === 0n ? undefined : { ...etcd });
  const ended = keepHistory(
    { options: optionsIn(t), log, facts, clock, position, writeFile: write },
    stop.signal,
  );
  const end = async () => {
    stop.abort();
    await ended;
  };
  const noted = () => /"revision": "(\d+)"/.exec(disk.contents ?? '')?.[1];
  return { clock, facts, etcd, disk, noted, lines, end };
}

const minutes = (count: number) => count * 60_000;

t.test('noted soon after the first list and after every change, and at the end', async t => {
  const { clock, etcd, disk, noted, end } = running(t);
  await clock.pass(minutes(1));
  t.equal(noted(), undefined, 'before the first list there is nothing to note');
  etcd.revision = 1000n;
  await clock.pass(10_000);
  t.equal(noted(), '1000');
  await clock.pass(minutes(60));
  t.equal(disk.writes, 1, 'at rest it costs nothing');
  for (let i = 0; i < 600; i++) {
    etcd.revision++;
    await clock.pass(100);
  }
  t.ok(BigInt(noted()!) > etcd.revision - 60n, 'what kill -9 would lose is of seconds');
  t.ok(disk.writes < 15, 'in a minute with 600 changes');
  etcd.revision = 2000n;
  await end();
  t.equal(noted(), '2000');
});

t.test('in doubt nothing is noted, at the end neither', async t => {
  const { clock, facts, etcd, noted, end } = running(t);
  etcd.revision = 50n;
  await clock.pass(10_000);
  facts.doubt = new Doubt(300);
  facts.doubt.judgeFirst(new Set(), { leaseKey: undefined, history: 'revision-went-back' }, clock.now());
  etcd.revision = 3n;
  await clock.pass(minutes(20));
  await end();
  t.equal(noted(), '50', 'a restart would doubt again');
});

t.test('a file that cannot be written is a problem until it can', async t => {
  const { clock, facts, etcd, disk, noted, lines, end } = running(t);
  etcd.revision = 5n;
  disk.fault = 'cannot write it: ENOSPC';
  await clock.pass(minutes(1));
  t.equal(facts.historyError, disk.fault);
  t.equal(lines.length, 1, 'one line for all attempts');
  delete disk.fault;
  await clock.pass(10_000);
  t.equal(facts.historyError, undefined);
  t.equal(noted(), '5');
  await end();
});

t.test('what is noted is read again, on the same prefix', async t => {
  const options = optionsIn(t);
  const { log, lines } = recordedLog();
  t.equal(await recallHistory(options, log), undefined);
  const reached = { clusterId: '14841639068965178418', revision: 9_007_199_254_740_993n };
  const stop = new AbortController();
  const kept = keepHistory(
    {
      ...{ options, log, facts: emptyFacts(0), clock: new FakeClock() },
      ...{ position: () => reached, writeFile: writeFileAtomically },
    },
    stop.signal,
  );
  stop.abort();
  await kept;
  t.strictSame(await recallHistory(options, log), reached, 'wider than a double');
  t.equal(await recallHistory({ ...options, etcd: { ...options.etcd, prefix: '/other' } }, log), undefined);
  t.strictSame(lines, []);
});

t.test('a file that cannot be read is as none, and said so', async t => {
  const options = optionsIn(t);
  const { log, lines } = recordedLog();
  const path = historyFileOf(options.instanceStateDir);
  await mkdir(options.instanceStateDir);
  const whole = { version: 1, prefix: '/net', clusterId: '1', revision: '5' };
  const bad = ['', '{', JSON.stringify({ ...whole, version: 2 }), '{"version":1,"revision":5}'];
  for (const text of bad) {
    await writeFile(path, text);
    t.equal(await recallHistory(options, log), undefined);
  }
  matchAll(
    t,
    lines,
    bad.map(() => ({ level: 'warn', msg: /history\.json cannot be read/ })),
  );
  await writeFile(path, JSON.stringify({ ...whole, more: true }));
  t.strictSame(await recallHistory(options, log), { clusterId: '1', revision: 5n });
});
