/** Keeps devices as they should be, with a back-off while the kernel or another program does not let us. */
import type { Logger } from 'pino';
import { Backoff } from './backoff.js';
import { describeContest, type Contests } from './contests.js';
import { isKernelTrouble, type HeldLink, type Kernel } from './kernel.js';
import { planLink, type LinkStep } from './links.js';
import type { Link } from './model.js';
import type { OffloadKeeper } from './offload-keeper.js';
import { TX_CHECKSUM_FEATURE } from './offload.js';

/** A device that is not as it should be, in words. */
export interface LinkTrouble {
  readonly device: string;
  readonly error: string;
  /** The kernel's error name, or `refused` when it is not ours to mend; undefined for anything else. */
  readonly code: string | undefined;
}

/** A device that had to be touched. */
export interface Mended {
  readonly device: string;
  readonly isNew: boolean;
  /** It had been set down. */
  readonly wasDown: boolean;
  /** Its MAC was written, or it had been set down: the kernel has flushed its neighbours. */
  readonly isFlushed: boolean;
}

/** The name is taken, or there is no underlay: the kernel was not even asked. */
class Refusal extends Error {
  readonly code = 'refused';
}

/** Another program takes the device away again and again. */
class Contested extends Error {
  readonly code = 'contested';
}

export class LinkKeeper {
  readonly #kernel: Kernel;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #contests: Contests;
  readonly #offload: OffloadKeeper | undefined;
  readonly #backoff = new Backoff();
  #trouble: LinkTrouble | undefined;
  #isRefusedByKernel = false;

  /**
   * @param contests shared with whoever keeps entries
   * @param offload without it, the checksum offload of devices is left as it is
   */
  constructor(
    kernel: Kernel,
    log: Logger,
    now: () => number,
    contests: Contests,
    offload: OffloadKeeper | undefined,
  ) {
    this.#kernel = kernel;
    this.#log = log;
    this.#now = now;
    this.#contests = contests;
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

  /**
   * The world has changed: what failed may work now.
   * @param of our own device, or the underlay
   */
  retryNow(of: 'overlay' | 'underlay'): void {
    // Each try to make a device that the kernel refuses in the end is a change of that device: it must not lead to the next.
    if (of === 'underlay' || !this.#isRefusedByKernel) this.#backoff.reset();
  }

  /**
   * Makes all devices as wanted.
   * @param held all devices of the namespace
   * @returns the devices that had to be touched, or undefined when one is not as it should be
   */
  async ensure(wanted: readonly Link[], held: readonly HeldLink[]): Promise<readonly Mended[] | undefined> {
    const mended: Mended[] = [];
    for (const link of wanted) {
      try {
        const step = await this.#carryOut(link, held);
        const isSwitched = await this.#keepOffload(link.name);
        if (step.kind !== 'keep' || isSwitched) mended.push({ device: link.name, ...effectsOf(step) });
      } catch (error) {
        const isOurs = error instanceof Refusal || error instanceof Contested;
        if (!isOurs && !isKernelTrouble(error)) throw error;
        this.#isRefusedByKernel = !isOurs;
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
    this.#isRefusedByKernel = false;
    this.#backoff.reset();
    return mended;
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

  /** @returns what was done */
  async #carryOut(link: Link, links: readonly HeldLink[]): Promise<LinkStep> {
    const step = this.#admitted(link.name, planLink(link, links));
    switch (step.kind) {
      case 'keep':
        return step;
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
    for (const subject of subjectsOf(link.name, step)) this.#note(subject);
    return step;
  }

  /** The step without what is fought over and not due yet. @throws Contested when that is the whole device */
  #admitted(device: string, step: LinkStep): LinkStep {
    if (step.kind === 'create' || step.kind === 'recreate') {
      if (this.#mayRepair(deviceSubject(device))) return step;
      throw new Contested('another program keeps removing it; it is made again after a pause');
    }
    if (step.kind !== 'change') return step;
    const parts = Object.entries(step.change).filter(([name, value]) =>
      this.#mayRepair(attributeSubject(device, name, value)),
    );
    if (parts.length === 0) return { kind: 'keep' };
    return { kind: 'change', change: Object.fromEntries(parts) };
  }

  /** @returns whether it was changed */
  async #keepOffload(device: string): Promise<boolean> {
    const subject = `${deviceSubject(device)} ${TX_CHECKSUM_FEATURE}`;
    if (this.#offload === undefined || !this.#mayRepair(subject)) return false;
    const isSwitched = await this.#offload.ensure(device);
    if (isSwitched) this.#note(subject);
    return isSwitched;
  }

  #mayRepair(subject: string): boolean {
    return this.#contests.mayRepair(subject, this.#now());
  }

  #note(subject: string): void {
    const news = this.#contests.note(subject, subject, this.#now());
    if (news !== undefined) this.#log.warn({ what: subject, repairs: news.repairs }, describeContest(news));
  }
}

/** What a step puts right, by its part: a device can be fought over as a whole, or by one of its attributes. */
function subjectsOf(device: string, step: LinkStep): string[] {
  if (step.kind !== 'change') return [deviceSubject(device)];
  return Object.entries(step.change).map(([name, value]) => attributeSubject(device, name, value));
}

function effectsOf(step: LinkStep): Omit<Mended, 'device'> {
  const wasDown = step.kind === 'change' && step.change.up === true;
  return {
    isNew: step.kind === 'create' || step.kind === 'recreate',
    wasDown,
    isFlushed: wasDown || (step.kind === 'change' && step.change.mac !== undefined),
  };
}

function deviceSubject(device: string): string {
  return `device ${device}`;
}

/** With the value, because another wish is another matter. */
function attributeSubject(device: string, name: string, value: unknown): string {
  return `${deviceSubject(device)} ${name} ${String(value)}`;
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
