/** Keeps devices as they should be, with a back-off while the kernel or another program does not let us. */
import type { Logger } from 'pino';
import { Backoff } from './backoff.js';
import { describeContest, type Contests } from './contests.js';
import { isKernelTrouble, isRefusal, type HeldLink, type Kernel, type LinkChange } from './kernel.js';
import { LinkFlaws } from './link-flaws.js';
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
  /** Nothing can be programmed meanwhile; otherwise only what `error` tells of is not as it should be. */
  readonly isBlocking: boolean;
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
  readonly #flaws = new LinkFlaws();
  #trouble: LinkTrouble | undefined;
  #isAnnouncedByTries = false;

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

  /** What the kernel refuses of a device that works without: an MTU, a MAC. */
  get flaw(): LinkTrouble | undefined {
    return this.#flaws.first;
  }

  /** When `ensure` is due again because of flaws, milliseconds; infinite without any. */
  get flawRetryAt(): number {
    return this.#flaws.nextRetry;
  }

  /**
   * The world has changed: what failed may work now.
   * @param of our own device, or the underlay
   */
  retryNow(of: 'overlay' | 'underlay'): void {
    // What the kernel makes of a device does not depend on what else becomes of that device, and our own tries change it.
    if (of === 'underlay') this.#flaws.retryAll();
    if (of === 'underlay' || !this.#isAnnouncedByTries) this.#backoff.reset();
  }

  /**
   * Makes all devices as wanted.
   * @param held all devices of the namespace
   * @returns the devices that had to be touched, or undefined when one is not as it should be
   */
  async ensure(wanted: readonly Link[], held: readonly HeldLink[]): Promise<readonly Mended[] | undefined> {
    const mended: Mended[] = [];
    const flawedBefore = this.#flaws.devices;
    const names = new Set(wanted.map(({ name }) => name));
    for (const device of flawedBefore) if (!names.has(device)) this.#flaws.forgetOthers(device, new Set());
    for (const link of wanted) {
      try {
        const step = await this.#carryOut(link, held);
        const isSwitched = await this.#keepOffload(link.name);
        if (step.kind !== 'keep' || isSwitched) mended.push({ device: link.name, ...effectsOf(step) });
      } catch (error) {
        const isOurs = error instanceof Refusal || error instanceof Contested;
        if (!isOurs && !isKernelTrouble(error)) throw error;
        // Each try to make a device that the kernel refuses in the end is a change of that device: it must not lead to the
        // next. That name, or VNI and port, are taken is found out before there is a device to be announced.
        this.#isAnnouncedByTries = !isOurs && codeOf(error) !== 'EEXIST';
        this.#report(link.name, error);
        return undefined;
      }
    }
    const { devices: flawed } = this.#flaws;
    const amissBefore = new Set(flawedBefore);
    if (this.#trouble !== undefined) amissBefore.add(this.#trouble.device);
    for (const device of amissBefore)
      if (!flawed.has(device)) this.#log.info({ device }, `device ${device} is as it should be again`);
    this.#trouble = undefined;
    this.#isAnnouncedByTries = false;
    this.#backoff.reset();
    return mended;
  }

  /** Postpones the next try; logged when it is news. */
  #report(device: string, cause: Error): void {
    const error = cause.message;
    if (this.#trouble?.device !== device || this.#trouble.error !== error) {
      this.#log.error({ device }, `device ${device}: ${error}`);
    }
    this.#trouble = { device, error, code: codeOf(cause), isBlocking: true };
    this.#backoff.postpone(this.#now());
  }

  /** @returns what was done */
  async #carryOut(link: Link, links: readonly HeldLink[]): Promise<LinkStep> {
    const planned = planLink(link, links);
    // A device that is about to be made may have the same flaws as the one before: the next look at it tells.
    if (planned.kind === 'keep' || planned.kind === 'change')
      this.#flaws.forgetOthers(link.name, new Set(subjectsOf(link.name, planned)));
    const step = this.#admitted(link.name, planned);
    switch (step.kind) {
      case 'keep':
        return step;
      case 'refuse':
        throw new Refusal(step.why);
      case 'create':
        await this.#kernel.createLink(link);
        break;
      case 'change':
        return await this.#change(link, step.change, links);
      case 'recreate':
        await this.#kernel.removeLink(link.name);
        await this.#kernel.createLink(link);
        break;
    }
    this.#noteDone(link.name, step);
    return step;
  }

  /**
   * Changes what the kernel lets us change; the rest are flaws.
   * @returns what was done
   * @throws what keeps the device from being used
   */
  async #change(link: Link, change: LinkChange, links: readonly HeldLink[]): Promise<LinkStep> {
    const refusals = await this.#tryChange(link, change);
    const parts = Object.entries(change);
    for (const [name, value] of parts) {
      const refusal = refusals.get(name);
      const subject = attributeSubject(link.name, name, value);
      if (refusal === undefined) this.#flaws.forget(subject);
      else if (name !== 'up')
        this.#reportFlaw(subject, link.name, describeRefusal(name, value, refusal, link, links), refusal);
    }
    const done = parts.filter(([name]) => !refusals.has(name));
    const step: LinkStep =
      done.length === 0 ? { kind: 'keep' } : { kind: 'change', change: Object.fromEntries(done) };
    if (step.kind !== 'keep') this.#noteDone(link.name, step);
    // A device that is down takes no route.
    const isDown = refusals.get('up');
    if (isDown !== undefined) throw isDown;
    return step;
  }

  /**
   * All at once, and one by one when that is refused: the kernel leaves out all that comes after what it refuses. What came
   * before is then written twice; a MAC flushes neighbours, which are gone by then.
   * @returns why, by the name of what was refused
   */
  async #tryChange(link: Link, change: LinkChange): Promise<Map<string, Error>> {
    try {
      await this.#kernel.changeLink(link, change);
      return new Map();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const parts: [string, unknown][] = Object.entries(change);
      if (parts.length === 1) return new Map(parts.map(([name]) => [name, error]));
      const refusals = new Map<string, Error>();
      for (const [name, value] of parts)
        for (const [refused, why] of await this.#tryChange(link, { [name]: value }))
          refusals.set(refused, why);
      return refusals;
    }
  }

  /** Postpones the next try of this alone; logged when it is news. */
  #reportFlaw(subject: string, device: string, error: string, cause: Error): void {
    const trouble = { device, error, code: codeOf(cause), isBlocking: false };
    if (this.#flaws.report(subject, trouble, this.#now()))
      this.#log.error({ device }, `device ${device}: ${error}`);
  }

  /** The step without what is fought over, or refused, and not due yet. @throws Contested when that is the whole device */
  #admitted(device: string, step: LinkStep): LinkStep {
    if (step.kind === 'create' || step.kind === 'recreate') {
      if (this.#mayRepair(deviceSubject(device))) return step;
      throw new Contested('another program keeps removing it; it is made again after a pause');
    }
    if (step.kind !== 'change') return step;
    const parts = Object.entries(step.change).filter(([name, value]) => {
      const subject = attributeSubject(device, name, value);
      if (this.#mayRepair(subject)) return this.#flaws.mayTry(subject, this.#now());
      this.#flaws.forget(subject);
      return false;
    });
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

  #noteDone(device: string, step: LinkStep): void {
    this.#log.info({ device }, `device ${device} ${describeStep(step)}`);
    for (const subject of subjectsOf(device, step)) this.#note(subject);
  }

  #mayRepair(subject: string): boolean {
    return this.#contests.mayRepair(subject, this.#now());
  }

  #note(subject: string): void {
    const news = this.#contests.note(subject, () => subject, this.#now());
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

/** `mtu 1450: EINVAL (up0 has mtu 1400)` */
function describeRefusal(
  name: string,
  value: unknown,
  refusal: Error,
  { underlay }: Link,
  links: readonly HeldLink[],
): string {
  const text = `${name} ${String(value)}: ${codeOf(refusal) ?? refusal.message}`;
  const below = links.find(link => link.name === underlay);
  return name === 'mtu' && below !== undefined ? `${text} (${underlay} has mtu ${below.mtu})` : text;
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
