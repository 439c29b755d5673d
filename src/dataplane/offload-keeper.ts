/** Keeps the checksum offload of a device as it is wanted. Trouble with it is told and holds nothing up. */
import type { Logger } from 'pino';
import { isKernelTrouble } from './kernel.js';
import { TX_CHECKSUM_FEATURE, type HeldOffload, type Offload } from './offload.js';

/** How it stands with the offload of the overlay device. */
export interface OffloadState {
  /** Undefined: however it is found. */
  readonly wanted: 'on' | 'off' | undefined;
  /** As last read; undefined before that, and when it could not be read. */
  readonly held: HeldOffload | undefined;
  /** Why it could not be read or set. */
  readonly error: string | undefined;
}

export class OffloadKeeper {
  readonly #offload: Offload;
  readonly #log: Logger;
  #state: OffloadState;

  constructor(offload: Offload, wanted: OffloadState['wanted'], log: Logger) {
    this.#offload = offload;
    this.#log = log;
    this.#state = { wanted, held: undefined, error: undefined };
  }

  get state(): OffloadState {
    return this.#state;
  }

  /**
   * Reads it with one request, and sets it if it is otherwise.
   * @returns whether it was changed
   */
  async ensure(device: string): Promise<boolean> {
    try {
      const { wanted } = this.#state;
      const found = await this.#offload.read(device);
      if (wanted === undefined || found === 'unsupported' || found === wanted) {
        this.#note(device, found);
        return false;
      }
      await this.#offload.write(device, wanted);
      // The kernel accepts what a driver then does not do.
      const isDone = this.#note(device, await this.#offload.read(device));
      if (isDone)
        this.#log.info({ device }, `device ${device}: ${TX_CHECKSUM_FEATURE} was ${found}, now ${wanted}`);
      return isDone;
    } catch (error) {
      if (!isKernelTrouble(error)) throw error;
      this.#tell(device, undefined, error.message);
      return false;
    }
  }

  /** @returns whether it is as wanted */
  #note(device: string, held: HeldOffload): boolean {
    const { wanted } = this.#state;
    // It is on by itself, so that a kernel that cannot be asked is asked for nothing.
    const isFine = wanted === undefined || held === wanted || (held === 'unsupported' && wanted === 'on');
    const error =
      held === 'unsupported'
        ? `${TX_CHECKSUM_FEATURE} cannot be turned off over netlink: this kernel is older than 5.7`
        : `${TX_CHECKSUM_FEATURE} stays ${held}, although the kernel accepted ${wanted}`;
    this.#tell(device, held, isFine ? undefined : error);
    return isFine;
  }

  /** Logged when it is news. */
  #tell(device: string, held: HeldOffload | undefined, error: string | undefined): void {
    const before = this.#state;
    this.#state = { ...before, held, error };
    if (error !== undefined && error !== before.error)
      this.#log.warn({ device }, `device ${device}: ${error}`);
  }
}
