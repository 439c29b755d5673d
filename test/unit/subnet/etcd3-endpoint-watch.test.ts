/** What is known of endpoints that nobody calls: told when it changes, looked at when it is time. */
import t, { type Test } from 'tap';
import { EndpointWatch, type EndpointView } from '../../../src/subnet/etcd3-endpoint-watch.js';
import type { Look } from '../../../src/subnet/etcd3-probe.js';

const [A, B] = ['https://a:2379', 'https://b:2379'] as const;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START = Date.UTC(2026, 0, 1);
const refused = { code: 'connection-refused', cause: 'nothing listens', next: 'look' };
const expired = { code: 'server-expired', cause: 'it has ended', next: 'date' };

function setUp(t: Test, urls: readonly string[] = [A, B]) {
  const clock = { now: START };
  const told: (readonly EndpointView[])[] = [];
  const looked: string[] = [];
  /** What a look shows; an endpoint without an entry is silent. */
  const shows = new Map<string, Partial<Look>>();
  const watch = new EndpointWatch({
    urls,
    look: url => {
      looked.push(url);
      return Promise.resolve({ answers: shows.has(url), certificateEndsAt: undefined, ...shows.get(url) });
    },
    onChange: view => told.push(view),
    now: () => clock.now,
    random: () => 1,
  });
  t.teardown(() => watch.close());
  /** What was looked at. */
  const look = async (afterMs = 0): Promise<string[]> => {
    clock.now += afterMs;
    await watch.lookAround();
    return looked.splice(0);
  };
  const known = (url: string) => told.at(-1)?.find(view => view.url === url);
  return { watch, shows, told, look, known, clock };
}

t.test('passed over since when and why, until it answers again', async t => {
  const { watch, shows, told, look, known, clock } = setUp(t, ['http://a:2379', 'http://b:2379']);
  t.strictSame(await look(), [], 'a plain endpoint that serves, or may, is left alone');
  watch.notePassedOver('http://a:2379', refused);
  t.strictSame(told, [
    [
      { url: 'http://a:2379', passedOver: { since: START, advice: refused }, certificateEndsAt: undefined },
      { url: 'http://b:2379', passedOver: undefined, certificateEndsAt: undefined },
    ],
  ]);
  clock.now += 5_000;
  watch.notePassedOver('http://a:2379', refused);
  t.equal(told.length, 1, 'the same again is nothing new');
  watch.notePassedOver('http://a:2379', expired);
  t.strictSame(known('http://a:2379')?.passedOver, { since: START, advice: expired }, 'another cause is');
  t.strictSame(await look(60_000), ['http://a:2379']);
  t.equal(told.length, 2, 'it is silent yet');
  shows.set('http://a:2379', {});
  await look(60_000);
  t.equal(known('http://a:2379')?.passedOver, undefined);
  t.strictSame(await look(60_000), []);
});

t.test('certificates are looked at twice a day, and more often towards their end', async t => {
  const { shows, told, look, known } = setUp(t);
  shows.set(A, { certificateEndsAt: START + 9 * DAY_MS });
  shows.set(B, { certificateEndsAt: START + 300 * DAY_MS });
  t.strictSame(await look(), [A, B]);
  t.equal(known(A)?.certificateEndsAt, START + 9 * DAY_MS);
  t.equal(told.length, 2);
  t.strictSame(await look(HOUR_MS), []);
  t.strictSame(await look(11 * HOUR_MS), [A, B]);
  t.equal(told.length, 2, 'as before: not told');
  t.strictSame(await look(DAY_MS), [A, B]);
  t.strictSame(await look(HOUR_MS / 6), [A], 'it ends within 8 days');
  shows.set(A, { certificateEndsAt: START + 400 * DAY_MS });
  await look(HOUR_MS / 6);
  t.equal(known(A)?.certificateEndsAt, START + 400 * DAY_MS, 'renewed');
  t.strictSame(await look(HOUR_MS), []);
  shows.delete(A);
  await look(12 * HOUR_MS);
  t.equal(known(A)?.certificateEndsAt, START + 400 * DAY_MS, 'silence says nothing of the certificate');
});

t.test('nothing is told once it is closed', async t => {
  const { watch, shows, told, look } = setUp(t);
  shows.set(A, { certificateEndsAt: START });
  watch.close();
  watch.notePassedOver(B, refused);
  t.strictSame(await look(), []);
  t.strictSame(told, []);
});
