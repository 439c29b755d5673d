/** What the bench hears of a device while it is damaged and repaired. */
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { openBacklog } from '../../bench/inside/backlog.js';
import { watchDevice } from '../../bench/inside/device-watch.js';
import { ALL_GROUPS } from '../../src/dataplane/netlink/notifications.js';
import { waitFor } from '../../src/demo/wait.js';
import { loadLibc } from '../../src/libc/libc.js';
import { inNamespace } from '../support/in-namespace.js';

const ip = (command: string) => execFileSync('ip', command.split(' '));
const run = (lines: readonly string[]) => execFileSync('ip', ['-batch', '-'], { input: lines.join('\n') });

void inNamespace(t, import.meta.url, () => {
  ip('link add name watched type bridge');
  ip('link add name other type bridge');

  t.test('the moments of the first and the last announcement, however late they are read', async t => {
    const watch = watchDevice('watched');
    t.teardown(() => watch.close());
    t.same(watch.heard, { first: undefined, last: undefined, isIncomplete: false });
    const began = performance.now();
    ip('link set watched mtu 1400');
    await waitFor({ what: 'it to be seen', read: () => watch.arrivedAt, until: at => at !== undefined });
    const between = performance.now();
    ip('link set watched mtu 1300');
    await waitFor({
      what: 'the other to be seen',
      read: () => watch.arrivedAt,
      until: at => at !== undefined && at > between,
    });
    const ended = performance.now();
    ip('link set other mtu 1400');
    await waitFor({ what: 'that', read: () => watch.arrivedAt, until: at => at !== undefined && at > ended });
    const { first, last, isIncomplete } = watch.heard;
    t.ok(began < first! && first! < between, 'the first');
    t.ok(between < last! && last! < ended, 'the last, which is no other device’s');
    t.equal(isIncomplete, false);
    watch.forget();
    t.same(watch.heard, { first: undefined, last: undefined, isIncomplete: false });
    t.equal(watch.arrivedAt, undefined);
  });

  t.test('what is read before it was seen waiting has come as well', async t => {
    const watch = watchDevice('watched');
    t.teardown(() => watch.close());
    ip('link set watched mtu 1350');
    const { last } = watch.heard;
    t.ok(last! > 0);
    t.equal(watch.arrivedAt, last);
  });

  t.test('more than can wait is told to be lost', async t => {
    const backlog = openBacklog(loadLibc(), ALL_GROUPS, 64 * 1024);
    t.teardown(() => backlog.close());
    run(Array.from({ length: 300 }, (_, n) => `link set watched mtu ${1000 + n}`));
    let heard = 0;
    let lost = 0;
    const read = () => {
      backlog.read(
        () => heard++,
        () => lost++,
      );
    };
    read();
    t.ok(lost > 0, String(lost));
    t.ok(heard > 0 && heard < 300, String(heard));
    [heard, lost] = [0, 0];
    ip('link set watched mtu 1500');
    read();
    t.equal(lost, 0, 'and it goes on');
    t.ok(heard > 0);
  });
});
