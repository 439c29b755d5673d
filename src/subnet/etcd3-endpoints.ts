/**
 * The endpoints of one store: their addresses, an etcd3 client for each, and the one in use.
 *
 * One client per endpoint, not one client with many hosts: etcd3 picks a host at random for every call and remembers
 * nothing, so that one frozen member would cost every n-th call its whole deadline. We stay with the endpoint that
 * works and move on when it does not.
 */
import { noop } from 'cockatiel';
import { Etcd3, type IOptions } from 'etcd3';
import type { Credentials } from './etcd3-credentials.js';
import { Session } from './etcd3-session.js';
import { streamOptions, type CallOptions } from './etcd3-streams.js';
import { StoreError } from './store.js';

export interface Endpoint {
  /** With its scheme, host and port. */
  readonly url: string;
  readonly client: Etcd3;
  /** Undefined when no user is given. */
  readonly session: Session | undefined;
  /** For every stream that is opened here. */
  readonly streamOptions: CallOptions;
}

/** Whom the endpoints are to take us for. */
export interface Identity {
  readonly credentials: Credentials;
  readonly user: { readonly name: string; readonly password: () => string } | undefined;
}

/**
 * Channel options. A ping every 10 s answered within 5 s finds a half-open connection in 15 s; more often than every
 * 5 s etcd answers with GOAWAY (its --grpc-keepalive-min-time). Pings run only while a call or stream is open, as etcd wants it.
 */
const GRPC_OPTIONS = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // 1000 revisions of a catch-up come in one answer; grpc-js would refuse more than 4 MiB.
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // etcd is reached directly, as flannel's client does it, whatever proxy the environment names.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
} as const;

/** All endpoints of a store and the one in use. */
export class Endpoints {
  #all: readonly Endpoint[];
  #index: number;
  readonly #uses = new Map<Endpoint, number>();

  /** @param random in [0, 1): hosts begin at different endpoints, so that they share the load */
  constructor(all: readonly Endpoint[], random: () => number) {
    this.#all = all;
    this.#index = Math.floor(random() * all.length);
  }

  get count(): number {
    return this.#all.length;
  }

  get current(): Endpoint {
    return this.#all[this.#index]!;
  }

  /** Moves on from an endpoint that gave no answer; does nothing when somebody has moved on from it already. */
  passOver(endpoint: Endpoint): void {
    if (endpoint === this.current) this.#index = (this.#index + 1) % this.#all.length;
  }

  /** Works with an endpoint, whose client stays open until that is done, even if it is replaced meanwhile. */
  async use<T>(endpoint: Endpoint, work: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    this.#uses.set(endpoint, (this.#uses.get(endpoint) ?? 0) + 1);
    try {
      return await work(endpoint);
    } finally {
      const left = this.#uses.get(endpoint)! - 1;
      if (left > 0) this.#uses.set(endpoint, left);
      else this.#uses.delete(endpoint);
      this.#closeIfDone(endpoint);
    }
  }

  /** Takes new clients for the same addresses; the old ones are closed once nothing uses them. */
  replaceAll(all: readonly Endpoint[]): void {
    const old = this.#all;
    this.#all = all;
    for (const endpoint of old) this.#closeIfDone(endpoint);
  }

  #closeIfDone(endpoint: Endpoint): void {
    if (!this.#uses.has(endpoint) && !this.#all.includes(endpoint)) endpoint.client.close();
  }

  close(): void {
    for (const { client } of new Set([...this.#all, ...this.#uses.keys()])) client.close();
  }
}

/**
 * Creates a client for each endpoint. Nothing is connected yet.
 * @param urls all of one scheme
 * @param timeoutMs deadline of one unary call
 */
export function createEndpoints(urls: readonly string[], identity: Identity, timeoutMs: number): Endpoint[] {
  return urls.map(url => createEndpoint(url, identity, timeoutMs));
}

function createEndpoint(url: string, { credentials, user }: Identity, timeoutMs: number): Endpoint {
  const logIn = async (name: string, password: string): Promise<string> =>
    (await client.auth.authenticate({ name, password })).token;
  const session = user && new Session(() => logIn(user.name, user.password()));
  const interceptors = session === undefined ? [] : [session.interceptor];
  const client: Etcd3 = new Etcd3({
    hosts: [url],
    grpcOptions: GRPC_OPTIONS,
    // etcd3 would repeat writes whose answer is lost, and block all calls for 5 s after three failures.
    faultHandling: { global: noop, host: () => noop },
    // A function, because a deadline is a point in time; streams have none.
    defaultCallOptions: ({ isStream }) =>
      isStream ? {} : { deadline: Date.now() + timeoutMs, interceptors },
    ...(isSecure(url) && { credentials: tlsOptions(credentials) }),
  });
  return { url, client, session, streamOptions: streamOptions(interceptors) };
}

/** etcd3's names for the PEM buffers; its type wants a CA, which grpc-js does not. */
function tlsOptions({ ca, client }: Credentials): NonNullable<IOptions['credentials']> {
  return {
    ...(ca !== undefined && { rootCertificate: ca }),
    ...(client !== undefined && { certChain: client.cert, privateKey: client.key }),
  } as NonNullable<IOptions['credentials']>;
}

export function isSecure(url: string): boolean {
  return url.startsWith('https:');
}

/**
 * Checks endpoints and gives each its scheme.
 * @param texts as the operator wrote them
 * @param tls whether TLS files are given: the scheme of an endpoint without one, as for flannel
 * @throws StoreError `invalid`; the message never repeats an endpoint that holds a password
 */
export function parseEndpoints(texts: readonly string[], tls: boolean): string[] {
  if (texts.length === 0) throw new StoreError('invalid', 'etcd: no endpoint is given');
  const urls = texts.map(text => {
    const match = /^(?:(https?):\/\/)?(\[[0-9a-fA-F:.]+\]|[^\s/:@[\]]+):(\d{1,5})\/?$/.exec(text.trim());
    if (match !== null) return `${match[1] ?? (tls ? 'https' : 'http')}://${match[2]!}:${match[3]!}`;
    const shown = text.includes('@') ? 'an endpoint with a user name in it' : JSON.stringify(text);
    throw new StoreError('invalid', `etcd: ${shown} is not of the form http(s)://HOST:PORT`);
  });
  if (new Set(urls.map(url => url.split(':', 1)[0])).size > 1) {
    throw new StoreError('invalid', `etcd: endpoints mix http and https: ${urls.join(', ')}`);
  }
  return urls;
}
