/** The files that tell Docker and others of our subnet: written together, only when they are true, again until it works. */
import type { Logger } from 'pino';
import { formatDockerEnv, formatDockerOpts } from './docker-env.js';
import { writeFileAtomically } from './files.js';
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
  readonly #writtenAt = new Map<string, number>();
  #written: SubnetEnv | undefined;
  #error: string | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(paths: EnvFilePaths, log: Logger) {
    this.#paths = paths;
    this.#log = log;
  }

  /** When each file was written, on the clock that `write` is given; empty until all were. */
  get writtenAt(): ReadonlyMap<string, number> {
    return this.#writtenAt;
  }

  /** Why they could not be written, undefined when they were. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Writes the files unless they say this already. A failure is kept in `error`; the next call tries again. Calls take turns. */
  async write(env: SubnetEnv, now: number): Promise<void> {
    this.#turn = this.#turn.then(() => this.#writeOnce(env, now));
    await this.#turn;
  }

  async #writeOnce(env: SubnetEnv, now: number): Promise<void> {
    if (this.#written === env) return;
    const { subnetFile, dockerEnvFile, dockerOptsFile } = this.#paths;
    try {
      // subnet.env comes last: who waits for it finds the others in place.
      await writeFileAtomically(dockerOptsFile, formatDockerOpts(env));
      await writeFileAtomically(dockerEnvFile, formatDockerEnv(env));
      await writeFileAtomically(subnetFile, formatSubnetEnv(env));
    } catch (error) {
      const message = messageOf(error);
      if (message !== this.#error) this.#log.error(message);
      this.#error = message;
      return;
    }
    this.#written = env;
    this.#error = undefined;
    for (const path of [subnetFile, dockerEnvFile, dockerOptsFile]) this.#writtenAt.set(path, now);
    this.#log.info({ path: subnetFile }, `wrote ${subnetFile} and the files for Docker beside it`);
  }
}
