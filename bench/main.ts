/** Runs benches one after another, prints their tables, and writes their figures. */
import { writeFile } from 'node:fs/promises';
import { formatColumns } from '../src/cli/columns.js';
import { readArguments, usage, type Arguments } from './arguments.js';
import type { Bench } from './bench.js';
import { burst } from './burst.js';
import { coldStart } from './cold-start.js';
import { etcdLoad } from './etcd-load.js';
import { join } from './join.js';
import { probes } from './probes.js';
import { repair } from './repair.js';
import { resources } from './resources.js';
import { restart } from './restart.js';
import { status } from './status.js';
import { throughput } from './throughput.js';
import { describeMachine, formatMachine, type Machine } from './machine.js';

/** Raised when a field of the JSON is removed or changes its meaning. */
const REPORT_VERSION = 1;

const BENCHES: readonly Bench[] = [
  coldStart,
  join,
  burst,
  repair,
  restart,
  resources,
  probes,
  status,
  throughput,
  etcdLoad,
];

/** All figures of one run. */
export interface Report {
  readonly version: typeof REPORT_VERSION;
  /** ISO 8601, UTC. */
  readonly takenAt: string;
  readonly machine: Machine;
  /** By the bench's name. */
  readonly benches: Readonly<Record<string, unknown>>;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (typeof options === 'number') return options;
  const machine = describeMachine();
  const isForPeople = options.json !== '-';
  if (isForPeople) print(formatMachine(machine));
  const benches: Record<string, unknown> = {};
  const takenAt = new Date().toISOString();
  for (const bench of BENCHES.filter(
    ({ name }) => options.only.length === 0 || options.only.includes(name),
  )) {
    const data = await bench.run({ ...options, progress: line => process.stderr.write(`${line}\n`) });
    benches[bench.name] = data;
    if (isForPeople) print(formatBench(bench, data));
  }
  const report: Report = { version: REPORT_VERSION, takenAt, machine, benches };
  const text = JSON.stringify(report, null, 2);
  if (!isForPeople) print(text);
  else if (options.json !== undefined) await writeFile(options.json, `${text}\n`);
  return 0;
}

/** @returns the exit code when there is nothing to measure */
function readOptions(): Arguments | number {
  try {
    const options = readArguments(
      process.argv.slice(2),
      BENCHES.map(({ name }) => name),
    );
    if (!options.help) return options;
    print(usage(BENCHES));
    return 0;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage(BENCHES)}\n`);
    return 2;
  }
}

function formatBench(bench: Bench, data: unknown): string {
  const { header, rows, remarks } = bench.table(data);
  return ['', `${bench.name}: ${bench.title}`, formatColumns(header, rows), ...remarks].join('\n');
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

process.exitCode = await main();
