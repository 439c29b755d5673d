/** The programs that run inside a namespace: what each is asked and what it answers, both as JSON. */
import type { EtcdRequests } from '../../test/support/etcd-requests.js';
import type { BurstAnswer, BurstTask } from './burst.js';
import type { ColdStartAnswer, ColdStartTask } from './cold-start.js';
import type { FirstStartAnswer, FirstStartTask } from './first-start.js';
import type { JoinsAnswer, JoinsTask } from './joins.js';
import type { LoadTask } from './load.js';
import type { RecordEntriesTask } from './record-entries.js';
import type { RepairsAnswer, RepairsTask } from './repairs.js';
import type { RequestsTask } from './requests.js';

export interface InsidePrograms {
  readonly 'cold-start': { readonly task: ColdStartTask; readonly answer: ColdStartAnswer };
  readonly load: { readonly task: LoadTask; readonly answer: object };
  readonly joins: { readonly task: JoinsTask; readonly answer: JoinsAnswer };
  readonly burst: { readonly task: BurstTask; readonly answer: BurstAnswer };
  readonly 'first-start': { readonly task: FirstStartTask; readonly answer: FirstStartAnswer };
  readonly 'record-entries': {
    readonly task: RecordEntriesTask;
    readonly answer: { readonly entries: number };
  };
  readonly repairs: { readonly task: RepairsTask; readonly answer: RepairsAnswer };
  readonly requests: { readonly task: RequestsTask; readonly answer: EtcdRequests };
}
