/** The form of a case, and how a table of them is gone through. */
import type { Test } from 'tap';
import type { Host } from '../../../src/demo/host.js';
import { metricOf, problemsOf, runDoctor, waitForDoctor, waitForWell, type CaseLab } from './case-lab.js';

/** One thing that is broken, or two. */
export interface Case {
  readonly name: string;
  readonly break: (at: CaseLab) => Promise<unknown>;
  readonly mend: (at: CaseLab) => Promise<unknown>;
  /** Problems that the agent tells; undefined: no agent answers. */
  readonly status: readonly string[] | undefined;
  /** What the doctor finds: the cause first. */
  readonly doctor: readonly string[];
  /** A series of the agent's metrics and the value to which it moves. */
  readonly metric?: readonly [series: string, value: string];
  /** What the other hosts tell, which stay silent unless the fault is all hosts'. */
  readonly others?: readonly string[];
  /** More options for the doctor. */
  readonly options?: readonly string[];
}

/** Breaks, looks and mends, one case after the other; after each all must be as it was. */
export async function goThrough(t: Test, at: CaseLab, cases: readonly Case[]): Promise<void> {
  const isWell = async (t: Test) => {
    await waitForDoctor(at, []);
    t.same((await runDoctor(at)).findings, [], 'the doctor finds nothing, the command neither');
  };
  await t.test('before', isWell);
  for (const each of cases) {
    await t.test(each.name, async t => {
      try {
        await each.break(at);
        await look(t, at, each);
      } catch (error) {
        // The next one begins with hosts that are well; what cannot be mended must not hide what went wrong first.
        await each.mend(at).catch((cause: unknown) => t.comment(`not mended: ${String(cause)}`));
        throw error;
      }
      await each.mend(at);
      for (const host of at.lab.hosts) await waitForWell(at, host);
      // What the agent cannot know its status does not tell either.
      if (each.doctor.length > 0 && each.status?.length === 0) await waitForDoctor(at, []);
      t.pass('all is well when it is mended');
    });
  }
  await t.test('after', isWell);
}

async function look(t: Test, at: CaseLab, { status, doctor, metric, others = [], options }: Case) {
  await waitForProblems(at, at.host, status);
  await waitForDoctor(at, doctor, options);
  t.pass(`the doctor finds ${doctor.join(', ') || 'nothing'}`);
  if (metric !== undefined) await waitForMetric(t, at, metric);
  const asked = at.others.filter(({ agent }) => agent?.code === undefined);
  for (const other of asked) await waitForProblems(at, other, others);
}

/** The doctor may have seen it in etcd before the agent has counted it. */
async function waitForMetric(t: Test, { lab, host }: CaseLab, [series, value]: readonly [string, string]) {
  await lab.waitFor({
    what: `${series} to be ${value}`,
    read: () => metricOf(host, series),
    until: seen => seen === value,
  });
  t.pass(`${series} is ${value}`);
}

async function waitForProblems(
  { lab }: CaseLab,
  host: Host,
  expected: readonly string[] | undefined,
): Promise<void> {
  await lab.waitFor({
    what: `${host.name} to tell ${expected?.join(', ') ?? 'nothing, as it is gone'}`,
    read: () => problemsOf(host),
    until: codes => [...(codes ?? ['gone'])].sort().join() === [...(expected ?? ['gone'])].sort().join(),
  });
}
