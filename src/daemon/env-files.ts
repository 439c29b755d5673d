/** The files that tell Docker and others of our subnet: written together, only when they are true, again until it works. */
import type { Logger } from 'pino';
import { formatDockerEnv, formatDockerOpts } from './docker-env.js';
import type { WriteFile } from './files.js';
import { messageOf } from './operator-error.js';
import { formatSubnetEnv, type SubnetEnv } from './subnet-env.js';

export interface EnvFilePaths {
  readonly subnetFile: string;
  readonly dockerEnvFile: string;
  readonly dockerOptsFile: string;
}

export class EnvFiles {
  readonly #paths: EnvFilePaths;
  readonly #log: Logger;
  readonly #writeFile: WriteFile;
  readonly #writtenAt = new Map<string, number>();
  #error: string | undefined;
  #turn: Promise<void> = Promise.resolve();
  #noteTried: () => void = () => undefined;
  /** Resolves when they have been written, or could not be, for the first time. */
  readonly tried = new Promise<void>(resolve => (this.#noteTried = resolve));

  constructor(paths: EnvFilePaths, log: Logger, writeFile: WriteFile) {
    this.#paths = paths;
    this.#log = log;
    this.#writeFile = writeFile;
  }

  /** Where they are. */
  get paths(): readonly string[] {
    const { subnetFile, dockerEnvFile, dockerOptsFile } = this.#paths;
    return [subnetFile, dockerEnvFile, dockerOptsFile];
  }

  /** When each file was written, on the clock that `write` is given; empty until all were. */
  get writtenAt(): ReadonlyMap<string, number> {
    return this.#writtenAt;
  }

  /** Why they could not be written, undefined when they were. */
  get error(): string | undefined {
    return this.#error;
  }

  /**
   * Writes those files that do not say this yet, or that somebody took away. A failure is kept in `error`; the next call
   * tries again. Calls take turns.
   */
  async write(env: SubnetEnv, now: number): Promise<void> {
    this.#turn = this.#turn.then(() => this.#writeOnce(env, now));
    await this.#turn;
    this.#noteTried();
  }

  async #writeOnce(env: SubnetEnv, now: number): Promise<void> {
    const { subnetFile, dockerEnvFile, dockerOptsFile } = this.#paths;
    // subnet.env comes last: who waits for it finds the others in place.
    const files = [
      [dockerOptsFile, formatDockerOpts(env)],
      [dockerEnvFile, formatDockerEnv(env)],
      [subnetFile, formatSubnetEnv(env)],
    ] as const;
    const written: string[] = [];
    try {
      for (const [path, contents] of files) {
        if ((await this.#writeFile(path, contents)) === 'written') written.push(path);
      }
    } catch (error) {
      const message = messageOf(error);
      if (message !== this.#error) this.#log.error(message);
      this.#error = message;
      return;
    }
    this.#error = undefined;
    for (const [path] of files)
      if (!this.#writtenAt.has(path) || written.includes(path)) this.#writtenAt.set(path, now);
    if (written.length > 0) this.#log.info({ written }, `wrote ${written.join(', ')}`);
  }
}
