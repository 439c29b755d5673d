/** `selvedge status` more than once: waiting for health, drawing again and again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { AgentUnreachableError, readStatus } from '../../../src/cli/agent-client.js';
import { lookUntilHealthy, redraw, type Screen } from '../../../src/cli/status-follow.js';
import { noPaint } from '../../../src/cli/paint.js';
import { renderBrief, renderStatus } from '../../../src/cli/status-text.js';
import { openControlSocket } from '../../../src/daemon/control-socket.js';
import type { StatusDocument } from '../../../src/daemon/status.js';
import { healthyStatus, peer } from '../daemon/example-status.js';

const starting: StatusDocument = { ...healthyStatus, verdict: 'starting', phase: 'acquiring' };
const unreachable = () => Promise.reject(new AgentUnreachableError('nobody', 'nothing', 'true'));

t.test('waiting ends with health, whatever came before', async t => {
  const looks = [unreachable, () => Promise.resolve(starting), () => Promise.resolve(healthyStatus)];
  t.match(await lookUntilHealthy(() => looks.shift()!(), 60), { document: { verdict: 'healthy' } });
  t.equal(looks.length, 0);
});

t.test('waiting ends with the time, and says what was seen last', async t => {
  t.match(await lookUntilHealthy(() => Promise.resolve(starting), 0.3), { document: { phase: 'acquiring' } });
  t.match(await lookUntilHealthy(unreachable, 0), { failure: { message: /nobody/ } });
  await t.rejects(
    lookUntilHealthy(() => Promise.reject(new Error('a bug')), 60),
    { message: 'a bug' },
  );
});

/** What is written to a screen until `pictures` have been drawn. */
async function drawn(pictures: readonly string[], screen: Partial<Screen>): Promise<string> {
  const stopping = new AbortController();
  let written = '';
  const left = [...pictures];
  const picture = () => {
    const next = left.shift()!;
    if (left.length === 0) stopping.abort();
    return Promise.resolve(next);
  };
  await redraw({ ...screen, write: text => (written += text) }, picture, stopping.signal);
  return written;
}

t.test('a terminal is drawn in place, a pipe line by line', async t => {
  t.equal(await drawn(['healthy\n'], {}), 'healthy\n\n');
  t.equal(
    await drawn(['healthy\nagent\n'], { isTTY: true, rows: 24 }),
    '\u001b[2J\u001b[Hhealthy\u001b[K\nagent\u001b[K\n\u001b[J',
  );
  const low = await drawn(['1\n2\n3\n4\n5\n'], { isTTY: true, rows: 4 });
  t.equal(low.split('\n').length, 4, 'no more lines than there is room for');
  t.match(low, '… (the window is too low)');
});

t.test('a line that is longer than the terminal is wide takes several rows of it', async t => {
  const long = `\u001b[1;31m${'x'.repeat(25)}\u001b[0m`;
  const screen = { isTTY: true, rows: 6, columns: 10 };
  t.notMatch(await drawn([`${long}\n1\n2\n`], screen), 'too low', 'three rows, two, and the free one');
  const low = await drawn([`${long}\n1\n2\n3\n`], screen);
  t.match(low, `${long}\u001b[K\n1\u001b[K\n… (the window is too low)`);
  t.notMatch(low, '\n2');
});

const OPTIONS = { now: new Date('2026-01-01T01:00:00Z'), all: false, wide: false, paint: noPaint };

t.test('in brief', async t => {
  t.equal(
    renderBrief(healthyStatus, OPTIONS),
    'healthy: 2/2 peers programmed, 0 drift · lease 10.5.34.0/24 renewed 12 s ago\n',
  );
  const problem = { code: 'route-conflict', severity: 'error', seen: 's', cause: 'c', next: 'n' } as const;
  const problems = [problem, problem, { ...problem, code: 'etcd-away' }];
  t.match(
    renderBrief({ ...healthyStatus, verdict: 'degraded', problems }, OPTIONS),
    / · route-conflict · etcd-away\n$/,
  );
});

async function served(t: Test, document: object): Promise<StatusDocument> {
  const directory = mkdtempSync(join(tmpdir(), 'selvedge-'));
  const path = join(directory, 'net.sock');
  const socket = await openControlSocket({
    path,
    status: () => document as StatusDocument,
    onError: () => undefined,
  });
  t.teardown(async () => {
    await socket.close();
    rmSync(directory, { recursive: true });
  });
  return readStatus(path);
}

function without<T extends object>(whole: T, ...fields: (keyof T)[]): object {
  return Object.fromEntries(Object.entries(whole).filter(([field]) => !fields.includes(field as keyof T)));
}

t.test('an agent of an earlier release tells less', async t => {
  const read = await served(t, {
    ...without(healthyStatus, 'firewall', 'subnets'),
    etcd: without(healthyStatus.etcd, 'endpointStates'),
    dataPlane: without(healthyStatus.dataPlane!, 'lastRepairs', 'txChecksum'),
    peers: [without(peer(2), 'node')],
  });
  const text = renderStatus(read, OPTIONS);
  t.notMatch(renderStatus(read, { ...OPTIONS, wide: true }), /undefined|null|NaN/);
  t.match(text, /^healthy: 1\/1 peers programmed/);
  t.match(text, /^-\s+10\.5\.2\.0\/24/m);
  t.notMatch(text, /undefined|null|NaN/);
});
