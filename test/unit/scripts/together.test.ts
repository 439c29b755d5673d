/** How many test files run at once, and in which order they begin. */
import fc from 'fast-check';
import t from 'tap';

interface Task {
  readonly name: string;
  readonly load: number;
}

interface Together {
  readonly runTogether: (
    tasks: readonly Task[],
    capacity: number,
    run: (task: Task) => Promise<void>,
  ) => Promise<void>;
}

// A plain script without types, which runs before anything is installed.
const script = new URL('../../../../scripts/together.mjs', import.meta.url).href;
const { runTogether } = (await import(script)) as Together;

const CAPACITY = 200;
const loads = fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 20 });

t.test('tasks begin in their order, and together never weigh more than the machine bears', async () => {
  await fc.assert(
    fc.asyncProperty(loads, fc.scheduler(), async (loads, scheduler) => {
      const tasks = loads.map((load, i) => ({ name: String(i), load }));
      const begun: string[] = [];
      const running = new Set<Task>();
      const all = runTogether(tasks, CAPACITY, async task => {
        begun.push(task.name);
        running.add(task);
        const sum = [...running].reduce((sum, { load }) => sum + load, 0);
        if (sum > CAPACITY && running.size > 1) throw new Error(`${sum} at once`);
        await scheduler.schedule(Promise.resolve(), task.name);
        running.delete(task);
      });
      await scheduler.waitFor(all);
      if (begun.join() !== tasks.map(({ name }) => name).join()) throw new Error(begun.join());
    }),
  );
});

t.test('whoever ends makes room for the next', async t => {
  const ends = new Map<string, () => void>();
  const tasks = ['a', 'b', 'c', 'd'].map(name => ({ name, load: 100 }));
  const all = runTogether(tasks, CAPACITY, ({ name }) => new Promise(resolve => ends.set(name, resolve)));
  const begun = async () => {
    await new Promise(setImmediate);
    return [...ends.keys()].join('');
  };
  t.equal(await begun(), 'ab');
  ends.get('b')!();
  t.equal(await begun(), 'abc');
  ends.get('a')!();
  t.equal(await begun(), 'abcd');
  for (const end of ends.values()) end();
  await all;
});

t.test('a task that fails fails the whole', async t => {
  const run = async ({ name }: Task) => {
    if (name === 'a') throw new Error('boom');
    return Promise.resolve();
  };
  const tasks = ['a', 'b', 'c'].map(name => ({ name, load: 100 }));
  await t.rejects(runTogether(tasks, CAPACITY, run), { message: 'boom' });
});
