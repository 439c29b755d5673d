/**
 * Follows the config key: waits for the first document that can be run, then watches for one that differs from it.
 *
 * Where the key is missing, a host that ran on this prefix before goes on with its own copy: an etcd that lost its data
 * and a key that somebody deleted look alike from here, and the containers are there in both cases.
 */
import type { Logger } from 'pino';
import { configDifferences, sameDocument } from './config-differences.js';
import { readConfigDocument, type RunnableConfig } from './config-document.js';
import { putConfigCommand } from './etcdctl.js';
import type { ConfigStatus } from './status.js';

export class ConfigFollower {
  readonly #key: string;
  readonly #log: Logger;
  readonly #saved: string | undefined;
  #running: RunnableConfig | undefined;
  #source: ConfigStatus['source'] = null;
  #state: ConfigStatus['state'] = 'missing';
  #faults: readonly string[] = [];
  #differences: readonly string[] = [];
  #lastText: string | undefined;
  #announced = false;
  #onRunnable: (config: RunnableConfig) => void = () => undefined;

  /**
   * @param key `<prefix>/config`
   * @param saved the document that ran last on this very prefix, if one did
   */
  constructor(key: string, log: Logger, saved?: string) {
    this.#key = key;
    this.#log = log;
    this.#saved = saved;
  }

  get status(): ConfigStatus {
    return {
      state: this.#state,
      key: this.#key,
      faults: this.#faults,
      notes: this.#running?.notes ?? [],
      running: this.#running?.text ?? null,
      source: this.#source,
    };
  }

  /** What of the document in the store is not as it runs, a line each; empty unless the state is `differs`. */
  get differences(): readonly string[] {
    return this.#differences;
  }

  /** Resolves with the first document that can be run; never rejects, and stays pending until there is one. */
  async firstRunnable(): Promise<RunnableConfig> {
    return this.#running ?? new Promise(resolve => (this.#onRunnable = resolve));
  }

  /** The key's value as it now stands in the store; undefined: there is no such key. */
  see(text: string | undefined): void {
    if (this.#announced && text === this.#lastText) return;
    this.#announced = true;
    this.#lastText = text;
    this.#differences = [];
    if (text === undefined) this.#seeMissing();
    else this.#seeDocument(text);
  }

  #seeMissing(): void {
    this.#state = 'missing';
    this.#faults = [];
    const what = `there is no config at ${this.#key}`;
    const wasRunning = this.#running !== undefined;
    if (!wasRunning) this.#runSaved();
    if (this.#running === undefined) {
      this.#log.warn(`${what}: waiting for it (etcdctl put ${this.#key} '{"Network": "10.5.0.0/16"}')`);
      return;
    }
    const goOn = wasRunning
      ? 'any more: going on with the one that runs'
      : 'although this host ran with one: going on with the copy in the state directory';
    this.#log.warn(`${what} ${goOn} (put it back: ${putConfigCommand(this.#key, this.#running.text)})`);
  }

  /** A copy that cannot be run, by another version, is as if there were none. */
  #runSaved(): void {
    const read = this.#saved === undefined ? undefined : readConfigDocument(this.#saved);
    if (read?.ok === true) this.#run(read.config, 'state');
  }

  #run(config: RunnableConfig, source: 'etcd' | 'state'): void {
    this.#running = config;
    this.#source = source;
    for (const note of config.notes) this.#log.warn(`config: ${note}`);
    this.#onRunnable(config);
  }

  #seeDocument(text: string): void {
    const read = readConfigDocument(text);
    if (!read.ok) {
      this.#state = 'invalid';
      this.#faults = read.faults;
      const goOn =
        this.#running === undefined ? 'waiting for a right one' : 'going on with the one that runs';
      this.#log.error(
        { faults: read.faults },
        `the config at ${this.#key} cannot be used, ${goOn}: ${read.faults.join('; ')}`,
      );
      return;
    }
    this.#faults = [];
    if (this.#running === undefined) {
      this.#state = 'running';
      this.#run(read.config, 'etcd');
    } else if (sameDocument(text, this.#running.text)) {
      if (this.#state !== 'running') this.#log.info(`the config at ${this.#key} is the running one again`);
      this.#state = 'running';
      this.#source = 'etcd';
    } else {
      this.#state = 'differs';
      this.#differences = configDifferences(this.#running.text, text);
      this.#log.warn(
        `the config at ${this.#key} is valid and differs from the one that runs (${this.#differences.join('; ')}): ` +
          'restart the agent to take it over',
      );
    }
  }
}
