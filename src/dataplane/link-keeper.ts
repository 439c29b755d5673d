/** Keeps devices as they should be, with a back-off while the kernel or another program does not let us. */
import type { Logger } from 'pino';
import { Backoff } from './backoff.js';
import { isKernelTrouble, type HeldLink, type Kernel } from './kernel.js';
import { planLink, type LinkStep } from './links.js';
import type { Link } from './model.js';
import type { OffloadKeeper } from './offload-keeper.js';

/** A device that is not as it should be, in words. */
export interface LinkTrouble {
  readonly device: string;
  readonly error: string;
  /** The kernel's error name, or `refused` when it is not ours to mend; undefined for anything else. */
  readonly code: string | undefined;
}

/** The name is taken, or there is no underlay: the kernel was not even asked. */
class Refusal extends Error {
  readonly code = 'refused';
}

export class LinkKeeper {
  readonly #kernel: Kernel;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #offload: OffloadKeeper | undefined;
  readonly #backoff = new Backoff();
  #trouble: LinkTrouble | undefined;

  /** @param offload without it, the checksum offload of devices is left as it is */
  constructor(kernel: Kernel, log: Logger, now: () => number, offload?: OffloadKeeper) {
    this.#kernel = kernel;
    this.#log = log;
    this.#now = now;
    this.#offload = offload;
  }

  /** What is wrong at present; entries cannot be programmed meanwhile. */
  get trouble(): LinkTrouble | undefined {
    return this.#trouble;
  }

  /** When `ensure` is due again, milliseconds; 0 without trouble. */
  get retryAt(): number {
    return this.#backoff.retryAt;
  }

  /** The world has changed: what failed may work now. */
  retryNow(): void {
    this.#backoff.reset();
  }

  /**
   * Makes all devices as wanted.
   * @param held all devices of the namespace
   * @returns the number of devices that had to be touched, or undefined when one is not as it should be
   */
  async ensure(wanted: readonly Link[], held: readonly HeldLink[]): Promise<number | undefined> {
    let touched = 0;
    for (const link of wanted) {
      try {
        const isChanged = await this.#carryOut(link, held);
        const isSwitched = (await this.#offload?.ensure(link.name)) ?? false;
        if (isChanged || isSwitched) touched++;
      } catch (error) {
        if (!(error instanceof Refusal) && !isKernelTrouble(error)) throw error;
        this.#report(link.name, error);
        return undefined;
      }
    }
    if (this.#trouble !== undefined) {
      this.#log.info(
        { device: this.#trouble.device },
        `device ${this.#trouble.device} is as it should be again`,
      );
    }
    this.#trouble = undefined;
    this.#backoff.reset();
    return touched;
  }

  /** Postpones the next try; logged when it is news. */
  #report(device: string, cause: Error): void {
    const error = cause.message;
    if (this.#trouble?.device !== device || this.#trouble.error !== error) {
      this.#log.error({ device }, `device ${device}: ${error}`);
    }
    this.#trouble = { device, error, code: codeOf(cause) };
    this.#backoff.postpone(this.#now());
  }

  /** @returns whether anything was changed */
  async #carryOut(link: Link, links: readonly HeldLink[]): Promise<boolean> {
    const step = planLink(link, links);
    switch (step.kind) {
      case 'keep':
        return false;
      case 'refuse':
        throw new Refusal(step.why);
      case 'create':
        await this.#kernel.createLink(link);
        break;
      case 'change':
        await this.#kernel.changeLink(link, step.change);
        break;
      case 'recreate':
        await this.#kernel.removeLink(link.name);
        await this.#kernel.createLink(link);
        break;
    }
    this.#log.info({ device: link.name }, `device ${link.name} ${describeStep(step)}`);
    return true;
  }
}

function describeStep(step: LinkStep): string {
  switch (step.kind) {
    case 'keep':
      return 'kept';
    case 'refuse':
      return `refused: ${step.why}`;
    case 'create':
      return 'created';
    case 'change':
      return `changed: ${Object.entries(step.change)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ')}`;
    case 'recreate':
      return `made anew: ${step.why}`;
  }
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
