/** How much of the range is left: every key under the prefix counts that stands in the way of a subnet. */
import type { Logger } from 'pino';
import type { Prefix } from '../address/prefix.js';
import { countSubnets, type SubnetCount } from './allocate.js';
import { parseSubnetKey } from './lease.js';
import type { MirrorBatch } from './mirror.js';
import type { SubnetRange } from './network-config.js';

/** From this share on the range is running out, in percent: time to widen it before a new host is left without. */
const RUNNING_OUT_PERCENT = 90n;
/** A count goes through all keys; so often at most it is done for the log's sake. */
const LOOK_MS = 10_000;

/** The subnets that keys stand for, whatever their values say; what is no lease key is passed over. */
export function takenSubnets(keys: Iterable<string>, keyPrefix: string, except?: string): Prefix[] {
  const taken: Prefix[] = [];
  for (const key of keys) {
    if (key === except || !key.startsWith(keyPrefix)) continue;
    const parsed = parseSubnetKey(key.slice(keyPrefix.length));
    if (parsed.ok) taken.push(parsed.value.ipv4);
  }
  return taken;
}

/** Whether so little is free that an operator should act. */
export function isRunningOut({ total, free }: SubnetCount): boolean {
  return (total - free) * 100n >= total * RUNNING_OUT_PERCENT;
}

export interface SubnetUsageOptions {
  readonly range: SubnetRange;
  /** `<prefix>/subnets/`. */
  readonly keyPrefix: string;
  /** Everything under the prefix, by key. */
  readonly entries: () => ReadonlyMap<string, unknown>;
  readonly log: Logger;
  /** Resolves after `ms` or, without an error, when `signal` aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Counts when it is asked, and only if keys have come or gone since it was asked last. */
export class SubnetUsage {
  readonly #options: SubnetUsageOptions;
  #count: SubnetCount | undefined;
  /** Whether keys have come or gone since. */
  #isOld = true;
  #wasRunningOut = false;

  constructor(options: SubnetUsageOptions) {
    this.#options = options;
  }

  /** The entries have changed by this batch. A key that is rewritten, as flanneld renews its lease, changes no count. */
  noteChanges({ cause, changes }: Pick<MirrorBatch, 'cause' | 'changes'>): void {
    const isOtherSet =
      cause === 'relist' ||
      changes.some(
        change => change.kind === 'delete' || change.entry.createRevision === change.entry.modRevision,
      );
    if (isOtherSet) this.#isOld = true;
  }

  get count(): SubnetCount {
    const { range, keyPrefix, entries } = this.#options;
    if (this.#count !== undefined && !this.#isOld) return this.#count;
    this.#isOld = false;
    return (this.#count = countSubnets(range, takenSubnets(entries().keys(), keyPrefix)));
  }

  /** As of some seconds ago at most: for whoever asks often, also while keys come and go. */
  get lastCount(): SubnetCount {
    return this.#count ?? this.count;
  }

  /** Logs when the range begins to run out and when it does no more, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#look();
      await this.#options.sleep(LOOK_MS, signal);
    }
  }

  #look(): void {
    const { count } = this;
    if (isRunningOut(count) === this.#wasRunningOut) return;
    this.#wasRunningOut = !this.#wasRunningOut;
    const [free, total] = [Number(count.free), Number(count.total)];
    const { range, log } = this.#options;
    const where = `subnets between ${range.subnetMin} and ${range.subnetMax} are free`;
    if (this.#wasRunningOut)
      log.warn({ free, total }, `subnets are running out: ${free} of ${total} ${where}`);
    else log.info({ free, total }, `subnets are not running out any more: ${free} of ${total} ${where}`);
  }
}
