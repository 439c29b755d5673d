/** Which start waits for Docker's files, and for how long. */
import t from 'tap';
import { waitForFiles } from '../../../src/daemon/files-first.js';

const NEVER = new Promise<void>(() => undefined);
const never = new AbortController().signal;

/** Of a start whose files are never tried. @returns for how many milliseconds it slept, each time */
async function sleeps(peers: number, isHostProgrammed: boolean): Promise<number[]> {
  const slept: number[] = [];
  const sleep = (ms: number) => {
    slept.push(ms);
    return Promise.resolve();
  };
  await waitForFiles({ peers, isHostProgrammed, tried: NEVER, sleep }, never);
  return slept;
}

t.test('with many peers they are waited for, but not for ever', async t => {
  t.same(await sleeps(1_000, true), [500]);
});

t.test('with few peers, or without what they stand for, nothing is waited for', async t => {
  t.same(await sleeps(999, true), []);
  t.same(await sleeps(10_000, false), []);
});

t.test('who has tried them is not kept', async t => {
  let tell: () => void = () => undefined;
  const tried = new Promise<void>(resolve => (tell = resolve));
  const waiting = waitForFiles({ peers: 10_000, isHostProgrammed: true, tried, sleep: () => NEVER }, never);
  tell();
  await t.resolves(waiting);
});

t.test('the end of the agent is handed on', async t => {
  const stop = new AbortController();
  const sleep = (_: number, signal: AbortSignal) =>
    new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()));
  const waiting = waitForFiles({ peers: 10_000, isHostProgrammed: true, tried: NEVER, sleep }, stop.signal);
  stop.abort();
  await waiting;
  t.ok(stop.signal.aborted);
});
