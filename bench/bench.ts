/** What a bench is: it measures, and shows what it measured as a table. */

export interface BenchOptions {
  /** Numbers of peers; the bench's own choice when undefined. */
  readonly peers: readonly number[] | undefined;
  /** How often each contestant has its turn; the bench's own choice when undefined. */
  readonly rounds: number | undefined;
  /** Says what is being done. */
  readonly progress: (line: string) => void;
}

/** A table for people. */
export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly remarks: readonly string[];
}

export interface Bench<T = unknown> {
  readonly name: string;
  /** What is measured, one line. */
  readonly title: string;
  /** @returns plain data, with the units in comments or names */
  run(options: BenchOptions): Promise<T>;
  table(data: T): Table;
}
