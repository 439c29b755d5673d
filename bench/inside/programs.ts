/** The programs that run inside a namespace: what each is asked and what it answers, both as JSON. */
import type { ColdStartAnswer, ColdStartTask } from './cold-start.js';

export interface InsidePrograms {
  readonly 'cold-start': { readonly task: ColdStartTask; readonly answer: ColdStartAnswer };
}
