/** Unary calls over the endpoints of a store: which endpoint, how often, and what a failure is called. */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Endpoint, Endpoints } from './etcd3-endpoints.js';
import { isCallFailure, isStaleToken, isUncertain, storeError } from './etcd3-errors.js';
import { StoreError } from './store.js';

/** Every endpoint once and the first again, but no more than this. */
const MOST_ATTEMPTS = 4;

/** Finds out more about a failure at an endpoint. */
export type Explain = (error: StoreError, endpoint: Endpoint) => Promise<StoreError>;

export class Calls {
  readonly #random: () => number;
  readonly #explain: Explain;
  readonly #closing = new AbortController();
  readonly #attempts: number;

  /** @param random in [0, 1), for the pauses between attempts */
  constructor(
    readonly endpoints: Endpoints,
    random: () => number,
    explain: Explain,
  ) {
    this.#random = random;
    this.#explain = explain;
    // Each call under way listens to it; Node would take more than ten for a leak.
    setMaxListeners(0, this.#closing.signal);
    this.#attempts = Math.min(endpoints.count + 1, MOST_ATTEMPTS);
  }

  /** Aborts when the store is closed. */
  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  close(): void {
    this.#closing.abort();
  }

  /**
   * One call to the endpoint in use; moves on from it when no answer comes.
   * @param doing for the message of the error: `list /net/subnets`
   * @throws StoreError, or as it is what neither etcd nor gRPC threw
   */
  async once<T>(doing: string, call: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const endpoint = this.endpoints.current;
    try {
      if (this.closed.aborted) throw new StoreError('unavailable', 'the store was closed');
      return await this.loggedIn(endpoint, () => call(endpoint));
    } catch (cause) {
      throw await this.failed(cause, doing, endpoint);
    }
  }

  /**
   * Works with an endpoint once we are logged in there. A token that has expired is refused before anything is carried
   * out: a new one is fetched and the work done again, once.
   */
  async loggedIn<T>(endpoint: Endpoint, work: () => Promise<T>): Promise<T> {
    return this.endpoints.use(endpoint, async ({ session }) => {
      const token = await session?.open();
      try {
        return await work();
      } catch (error) {
        if (session === undefined || !isStaleToken(error)) throw error;
        session.drop(token);
        await session.open();
        return await work();
      }
    });
  }

  /**
   * A call that may be carried out twice without harm: repeated while no answer comes, a few times.
   * @param signal ends the wait; the call itself ends at its deadline
   * @throws StoreError
   */
  async repeated<T>(
    doing: string,
    call: (endpoint: Endpoint) => Promise<T>,
    signal: AbortSignal = this.closed,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await unlessAborted(doing, signal, this.once(doing, call));
      } catch (error) {
        const helps = error instanceof StoreError && isUncertain(error);
        if (!helps || attempt >= this.#attempts || signal.aborted || this.closed.aborted) throw error;
        await delay(20 + this.#random() * 80);
      }
    }
  }

  /**
   * The error for a call or stream that failed at an endpoint, with what can be found out about it; the endpoint is passed
   * over when no answer came from it.
   * @throws what neither etcd nor gRPC threw: a bug is not to be tried again for ever
   */
  async failed(cause: unknown, doing: string, endpoint: Endpoint): Promise<StoreError> {
    if (!isCallFailure(cause)) throw cause;
    const error = storeError(cause, doing, endpoint.url);
    if (isUncertain(error)) this.endpoints.passOver(endpoint);
    return this.closed.aborted ? error : this.#explain(error, endpoint);
  }
}

async function unlessAborted<T>(doing: string, signal: AbortSignal, call: Promise<T>): Promise<T> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(new StoreError('unavailable', `${doing}: aborted`));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([call, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort!);
  }
}
