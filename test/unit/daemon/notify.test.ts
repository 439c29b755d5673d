/** The notify protocol against a real socket of each kind. */
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openNotifier, socketAddress, watchdogOf } from '../../../src/daemon/notify.js';
import { recordedLog } from '../../support/recorded-log.js';
import { listenAsServiceManager } from '../../support/service-manager.js';

/** Short enough for a socket. */
const somewhere = () => join(tmpdir(), `selvedge-${randomBytes(6).toString('hex')}`);

t.test('a datagram for each telling, by path and by abstract name', async t => {
  for (const path of [somewhere(), `@selvedge-${randomBytes(6).toString('hex')}`]) {
    const told = listenAsServiceManager(t, path);
    const { log, lines } = recordedLog();
    const notifier = openNotifier({ NOTIFY_SOCKET: path }, log);
    t.equal(notifier?.tell('READY=1', 'STATUS=5 peers – fine'), true);
    t.equal(notifier?.tell('WATCHDOG=1'), true);
    t.same(told(), ['READY=1\nSTATUS=5 peers – fine', 'WATCHDOG=1'], path);
    notifier?.close();
    t.same(lines, []);
  }
});

t.test('nobody to tell', async t => {
  const { log, lines } = recordedLog();
  t.equal(openNotifier({}, log), undefined);
  t.equal(openNotifier({ NOTIFY_SOCKET: '' }, log), undefined);
  t.same(lines, []);
});

t.test('a manager that does not hear is told again, and that is said once', async t => {
  const path = somewhere();
  const { log, lines } = recordedLog();
  const notifier = openNotifier({ NOTIFY_SOCKET: path }, log);
  t.equal(notifier?.tell('READY=1'), false);
  t.equal(notifier?.tell('READY=1'), false);
  t.match(lines, [{ msg: 'systemd was not told: sendto: ENOENT; tried again' }]);
  t.equal(lines.length, 1);
  const told = listenAsServiceManager(t, path);
  t.equal(notifier?.tell('READY=1'), true);
  t.same(told(), ['READY=1']);
  // One that does not read fills up, and must not hold the agent up.
  let sent = 0;
  while (sent < 100_000 && notifier?.tell('WATCHDOG=1') === true) sent++;
  t.ok(sent < 100_000, 'a full queue is a refusal');
  t.match(lines.at(-1), { msg: /EAGAIN/ });
  notifier?.close();
});

t.test('an address that is not understood is named, and the agent goes on', async t => {
  const { log, lines } = recordedLog();
  t.equal(openNotifier({ NOTIFY_SOCKET: 'vsock:2:9999' }, log), undefined);
  t.match(lines, [{ msg: /NOTIFY_SOCKET=vsock:2:9999.*only a unix socket/ }]);
  t.throws(() => socketAddress(`/${'x'.repeat(107)}`), /longer than 108 bytes/);
  t.equal(socketAddress(`/${'x'.repeat(106)}`).length, 110);
});

t.test('the watchdog is for the process that it names', async t => {
  t.equal(watchdogOf({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '42' }, 42), 30_000);
  t.equal(watchdogOf({ WATCHDOG_USEC: '30000000' }, 42), 30_000);
  t.equal(watchdogOf({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '41' }, 42), undefined);
  for (const WATCHDOG_USEC of [undefined, '', '0', '-1', 'soon']) {
    t.equal(watchdogOf({ WATCHDOG_USEC }, 42), undefined);
  }
});
