/**
 * A user's session at one endpoint: the token that etcd wants with every call.
 *
 * etcd3 can log in by itself, but opens a connection for each login that it never closes, and gives streams whatever
 * token it has at hand, expired or not. So its clients know of no user, and this adds the token.
 */
import type { Interceptor } from './etcd3-streams.js';

/** etcd's words for a token that has expired, or that a restarted server forgot (rpctypes.ErrInvalidAuthToken). */
const REFUSED_TOKEN = 'etcdserver: invalid auth token';

export class Session {
  readonly #logIn: () => Promise<string>;
  #opening: Promise<string> | undefined;
  #token: string | undefined;

  /** @param logIn gets a new token; its own deadline ends it */
  constructor(logIn: () => Promise<string>) {
    this.#logIn = logIn;
  }

  /**
   * Logs in unless that has been done.
   * @returns the token
   * @throws what `logIn` throws
   */
  open(): Promise<string> {
    this.#opening ??= this.#logIn().then(
      token => (this.#token = token),
      (error: unknown) => {
        this.#opening = undefined;
        throw error;
      },
    );
    return this.#opening;
  }

  /** Forgets a token that was refused, unless there is a newer one. */
  drop(token: string | undefined): void {
    if (token !== this.#token) return;
    this.#opening = undefined;
    this.#token = undefined;
  }

  /** Puts the token into a call that starts. */
  readonly interceptor: Interceptor = (options, nextCall) => {
    const call = nextCall(options);
    const start = call.start.bind(call);
    call.start = (metadata, listener) => {
      if (this.#token !== undefined) metadata.set('token', this.#token);
      start(metadata, {
        onReceiveMetadata: received => listener?.onReceiveMetadata?.(received),
        onReceiveMessage: (message: unknown) => listener?.onReceiveMessage?.(message),
        onReceiveStatus: status => {
          // etcd3 would send a call that it knows to be refused for its token again, with the same token, without end.
          const details = status.details.replace(REFUSED_TOKEN, 'invalid auth token');
          listener?.onReceiveStatus?.({ ...status, details });
        },
      });
    };
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- grpc-js uses only the interface
    return call as ReturnType<Interceptor>;
  };
}
