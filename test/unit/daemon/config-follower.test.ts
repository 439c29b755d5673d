import t from 'tap';
import { ConfigFollower } from '../../../src/daemon/config-follower.js';
import { recordedLog } from '../../support/recorded-log.js';
import { matchAll } from '../../support/match-all.js';

const RIGHT = '{"Network":"10.5.0.0/16"}';
const SAME = '{ "Network" : "10.5.0.0/16" }';
const OTHER = '{"Network":"10.6.0.0/16"}';
const WRONG = '{"Network":"x"}';

function start(saved?: string) {
  const { log, lines } = recordedLog();
  const follower = new ConfigFollower('/net/config', log, saved);
  let resolved: string | undefined;
  void follower.firstRunnable().then(config => (resolved = config.text));
  /** What has been logged since the last call, as `level: message`. */
  const news = () => lines.splice(0).map(({ level, msg }) => `${level}: ${msg}`);
  const resolvedText = async () => {
    await Promise.resolve();
    await Promise.resolve();
    return resolved;
  };
  return { follower, news, resolvedText };
}

t.test('before anything was seen', async t => {
  const { follower, resolvedText } = start();
  t.strictSame(follower.status, {
    state: 'missing',
    key: '/net/config',
    faults: [],
    notes: [],
    running: null,
    source: null,
  });
  t.equal(await resolvedText(), undefined);
});

t.test('missing, then wrong, then right: waits with one line each', async t => {
  const { follower, news, resolvedText } = start();
  follower.see(undefined);
  follower.see(undefined);
  matchAll(t, news(), [
    /^warn: there is no config at \/net\/config: waiting for it \(etcdctl put \/net\/config '\{"Network": .*'\)$/,
  ]);
  t.equal(follower.status.state, 'missing');

  follower.see(WRONG);
  follower.see(WRONG);
  const fault = 'Network: "x" must be an IPv4 network such as 10.5.0.0/16';
  t.strictSame(news(), [
    `error: the config at /net/config cannot be used, waiting for a right one: ${fault}`,
  ]);
  t.match(follower.status, { state: 'invalid', faults: [fault], running: null });
  t.equal(await resolvedText(), undefined);

  follower.see(RIGHT);
  t.match(follower.status, { state: 'running', faults: [], running: RIGHT, source: 'etcd' });
  t.strictSame(follower.status.notes, ['no Backend given: vxlan']);
  t.strictSame(news(), ['warn: config: no Backend given: vxlan']);
  t.equal(await resolvedText(), RIGHT);
});

t.test('all faults are in the one line', async t => {
  const { follower, news } = start();
  follower.see('{"Network":"x","Backend":{"Type":"vxlan","VNI":-1,"Port":-1}}');
  const [line, ...more] = news();
  t.strictSame(more, []);
  for (const field of ['Network', 'Backend.VNI', 'Backend.Port']) t.match(line, `${field}: `);
});

t.test('while one runs, the store may say what it will', async t => {
  const { follower, news } = start();
  follower.see(RIGHT);
  news();
  const steps: readonly (readonly [text: string | undefined, state: string, line: RegExp | undefined])[] = [
    [SAME, 'running', undefined],
    [OTHER, 'differs', /^warn: .* differs from the one that runs \(Network: .*\): restart the agent/],
    [OTHER, 'differs', undefined],
    [WRONG, 'invalid', /^error: .* cannot be used, going on with the one that runs: /],
    [RIGHT, 'running', /^info: .* is the running one again$/],
    [
      undefined,
      'missing',
      /^warn: there is no config at \/net\/config any more: going on with the one that runs \(put it back: etcdctl put \/net\/config '{"Network":"10\.5\.0\.0\/16"}'\)$/,
    ],
    [SAME, 'running', /^info: .* is the running one again$/],
  ];
  for (const [text, state, line] of steps) {
    follower.see(text);
    t.match(follower.status, { state, running: RIGHT }, text ?? 'missing');
    matchAll(t, news(), line === undefined ? [] : [line]);
    t.equal(follower.status.faults.length, state === 'invalid' ? 1 : 0);
  }
});

t.test('a host that ran here before goes on with its copy when etcd has none', async t => {
  const { follower, news, resolvedText } = start(RIGHT);
  t.equal(await resolvedText(), undefined, 'not before etcd has answered');
  follower.see(undefined);
  t.match(follower.status, { state: 'missing', running: RIGHT, source: 'state' });
  t.equal(await resolvedText(), RIGHT);
  matchAll(t, news(), [
    'warn: config: no Backend given: vxlan',
    /^warn: there is no config at \/net\/config although this host ran with one: going on with the copy in the state directory \(put it back: etcdctl put /,
  ]);
  follower.see(OTHER);
  t.match(follower.status, { state: 'differs', running: RIGHT, source: 'state' });
  follower.see(SAME);
  t.match(follower.status, { state: 'running', running: RIGHT, source: 'etcd' });
  follower.see(undefined);
  t.match(follower.status, { state: 'missing', running: RIGHT, source: 'etcd' });
});

t.test('a copy is no more than that', async t => {
  const inEtcd = start(RIGHT);
  inEtcd.follower.see(OTHER);
  t.match(inEtcd.follower.status, { state: 'running', running: OTHER, source: 'etcd' });
  const wrong = start(RIGHT);
  wrong.follower.see(WRONG);
  t.match(wrong.follower.status, { state: 'invalid', running: null }, 'an admin is at work: it waits');
  const broken = start(WRONG);
  broken.follower.see(undefined);
  t.match(broken.follower.status, { state: 'missing', running: null });
  matchAll(t, broken.news(), [/waiting for it/]);
});

t.test('who asks late gets it too', async t => {
  const { follower } = start();
  follower.see(RIGHT);
  follower.see(OTHER);
  t.equal((await follower.firstRunnable()).text, RIGHT);
});
