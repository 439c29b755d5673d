/**
 * Attributes of devices that the kernel refuses. Each is tried again by itself, after pauses that grow, and keeps nothing
 * else from being done. Pure: the clock is an argument.
 */
import { Backoff } from './backoff.js';
import type { LinkTrouble } from './link-keeper.js';

interface Flaw {
  readonly trouble: LinkTrouble;
  readonly backoff: Backoff;
}

export class LinkFlaws {
  /** By attribute and wanted value: another wish is another matter. */
  readonly #bySubject = new Map<string, Flaw>();

  /** The oldest of them. */
  get first(): LinkTrouble | undefined {
    return this.#bySubject.values().next().value?.trouble;
  }

  /** When the first of them is due again, milliseconds; infinite without any. */
  get nextRetry(): number {
    return Math.min(...[...this.#bySubject.values()].map(({ backoff }) => backoff.retryAt));
  }

  /** The devices that have any. */
  get devices(): Set<string> {
    return new Set([...this.#bySubject.values()].map(({ trouble }) => trouble.device));
  }

  /** Whether this may be tried: it is not known to be refused, or due again. */
  mayTry(subject: string, now: number): boolean {
    const flaw = this.#bySubject.get(subject);
    return flaw === undefined || flaw.backoff.retryAt <= now;
  }

  /** It has been refused. @returns whether that is news */
  report(subject: string, trouble: LinkTrouble, now: number): boolean {
    const before = this.#bySubject.get(subject);
    const backoff = before?.backoff ?? new Backoff();
    backoff.postpone(now);
    this.#bySubject.set(subject, { trouble, backoff });
    return before?.trouble.error !== trouble.error;
  }

  /** It is as it should be, or somebody else's matter. */
  forget(subject: string): void {
    this.#bySubject.delete(subject);
  }

  /** Of this device nothing but these can be amiss now. */
  forgetOthers(device: string, subjects: ReadonlySet<string>): void {
    for (const [subject, { trouble }] of this.#bySubject)
      if (trouble.device === device && !subjects.has(subject)) this.#bySubject.delete(subject);
  }

  /** What was refused may be accepted now. */
  retryAll(): void {
    for (const { backoff } of this.#bySubject.values()) backoff.reset();
  }
}
