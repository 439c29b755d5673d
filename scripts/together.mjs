/** Runs tasks at once, as many as the machine bears. */

/**
 * Starts the tasks in their order; the next one as soon as there is room for it, and at least one.
 * @template {{load: number}} T
 * @param {Iterable<T>} tasks `load` in the unit of `capacity`
 * @param {number} capacity the loads of what runs at once add up to this at most
 * @param {(task: T) => Promise<void>} run
 */
export async function runTogether(tasks, capacity, run) {
  const running = new Set();
  let load = 0;
  for (const task of tasks) {
    while (running.size > 0 && load + task.load > capacity) await Promise.race(running);
    load += task.load;
    const ended = run(task).finally(() => {
      running.delete(ended);
      load -= task.load;
    });
    running.add(ended);
  }
  await Promise.all(running);
}
