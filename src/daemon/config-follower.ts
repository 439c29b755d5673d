/** Follows the config key: waits for the first document that can be run, then watches for one that differs from it. */
import type { Logger } from 'pino';
import { readConfigDocument, sameDocument, type RunnableConfig } from './config-document.js';
import type { ConfigStatus } from './status.js';

export class ConfigFollower {
  readonly #key: string;
  readonly #log: Logger;
  #running: RunnableConfig | undefined;
  #state: ConfigStatus['state'] = 'missing';
  #faults: readonly string[] = [];
  #lastText: string | undefined;
  #announced = false;
  #onRunnable: (config: RunnableConfig) => void = () => undefined;

  /** @param key `<prefix>/config` */
  constructor(key: string, log: Logger) {
    this.#key = key;
    this.#log = log;
  }

  get status(): ConfigStatus {
    return {
      state: this.#state,
      key: this.#key,
      faults: this.#faults,
      notes: this.#running?.notes ?? [],
      running: this.#running?.text ?? null,
    };
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
    if (text === undefined) this.#seeMissing();
    else this.#seeDocument(text);
  }

  #seeMissing(): void {
    this.#state = 'missing';
    this.#faults = [];
    const what = `there is no config at ${this.#key}`;
    if (this.#running === undefined) {
      this.#log.warn(`${what}: waiting for it (etcdctl put ${this.#key} '{"Network": "10.5.0.0/16"}')`);
    } else this.#log.warn(`${what} any more: going on with the one that runs`);
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
      this.#running = read.config;
      this.#state = 'running';
      for (const note of read.config.notes) this.#log.warn(`config: ${note}`);
      this.#onRunnable(read.config);
    } else if (sameDocument(text, this.#running.text)) {
      if (this.#state !== 'running') this.#log.info(`the config at ${this.#key} is the running one again`);
      this.#state = 'running';
    } else {
      this.#state = 'differs';
      this.#log.warn(
        `the config at ${this.#key} is valid and differs from the one that runs: restart the agent to take it over`,
      );
    }
  }
}
