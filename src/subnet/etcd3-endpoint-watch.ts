/**
 * What calls do not show of the endpoints: that one is passed over while another serves, and when their certificates end.
 * An endpoint that nobody wants anything of is looked at now and then, on a connection of its own.
 */
import { isSecure } from './etcd3-endpoints.js';
import type { Look } from './etcd3-probe.js';
import type { Advice } from './store.js';

/** Moments are milliseconds since the epoch. */
export interface EndpointView {
  readonly url: string;
  /** Why it is passed over; undefined: nothing is known against it. */
  readonly passedOver: { readonly since: number; readonly advice: Advice } | undefined;
  /** Undefined without TLS, and until it was looked at. */
  readonly certificateEndsAt: number | undefined;
}

/** How often it is asked what is due; an endpoint that is passed over always is. */
const TICK_MS = 60_000;
/** How often a certificate is looked at, and one that ends soon, for its renewal shall show. */
const LOOK_MS = { usual: 12 * 3_600_000, soon: 600_000 };
const SOON_MS = 8 * 86_400_000;

export interface EndpointWatchOptions {
  readonly urls: readonly string[];
  readonly look: (url: string) => Promise<Look>;
  /** Told when the view has changed. */
  readonly onChange: (view: readonly EndpointView[]) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
}

export class EndpointWatch {
  readonly #options: EndpointWatchOptions;
  readonly #views: Map<string, EndpointView>;
  readonly #lookedAt = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: EndpointWatchOptions) {
    this.#options = options;
    const nothing = { passedOver: undefined, certificateEndsAt: undefined };
    this.#views = new Map(options.urls.map(url => [url, { url, ...nothing }]));
    // Not at the start itself, when there is enough to do, and not by all hosts at one moment.
    this.#plan(TICK_MS * options.random());
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** No answer came from an endpoint, and another one is tried. */
  notePassedOver(url: string, advice: Advice): void {
    const before = this.#views.get(url)?.passedOver;
    if (before?.advice.code === advice.code) return;
    this.#set(url, { passedOver: { since: before?.since ?? this.#options.now(), advice } });
  }

  /** Looks at every endpoint for which it is time. */
  async lookAround(): Promise<void> {
    for (const url of this.#options.urls) {
      if (this.#isClosed || !this.#isDue(url)) continue;
      const { answers, certificateEndsAt } = await this.#options.look(url);
      this.#lookedAt.set(url, this.#options.now());
      this.#set(url, {
        ...(answers && { passedOver: undefined }),
        ...(certificateEndsAt !== undefined && { certificateEndsAt }),
      });
    }
  }

  #isDue(url: string): boolean {
    const { now } = this.#options;
    const { passedOver, certificateEndsAt } = this.#views.get(url)!;
    if (passedOver !== undefined) return true;
    if (!isSecure(url)) return false;
    const isSoon = certificateEndsAt !== undefined && certificateEndsAt - now() < SOON_MS;
    const pause = isSoon ? LOOK_MS.soon : LOOK_MS.usual;
    return now() - (this.#lookedAt.get(url) ?? -Infinity) >= pause;
  }

  #set(url: string, change: Partial<EndpointView>): void {
    const before = this.#views.get(url)!;
    const after = { ...before, ...change };
    if (after.passedOver === before.passedOver && after.certificateEndsAt === before.certificateEndsAt)
      return;
    this.#views.set(url, after);
    if (!this.#isClosed) this.#options.onChange([...this.#views.values()]);
  }

  #plan(ms: number): void {
    this.#timer = setTimeout(() => {
      void this.lookAround().then(() => {
        if (!this.#isClosed) this.#plan(TICK_MS);
      });
    }, ms).unref();
  }
}
