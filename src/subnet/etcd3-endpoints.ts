/**
 * The endpoints of one store: what the options say, and an etcd3 client for each.
 *
 * One client per endpoint, not one client with many hosts: etcd3 picks a host at random for every call and remembers
 * nothing, so that one frozen member would cost every n-th call its whole deadline. We stay with the endpoint that
 * works and move on when it does not.
 */
import { readFileSync } from 'node:fs';
import { noop } from 'cockatiel';
import { Etcd3, type IOptions } from 'etcd3';
import type { Logger } from 'pino';
import { StoreError } from './store.js';

/** See `requestTimeoutMs`. */
export const DEFAULT_TIMEOUT_MS = 5_000;

export interface TlsFiles {
  /** PEM bundle that signs the servers; without it the system's authorities count. */
  readonly caFile?: string;
  /** PEM client certificate; needs `keyFile`. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

export interface Etcd3StoreOptions {
  /** `http://host:port` or `https://host:port`, all of one scheme; without a scheme TLS is used when `tls` is given. */
  readonly endpoints: readonly string[];
  readonly tls?: TlsFiles;
  readonly username?: string;
  readonly password?: string;
  /** Deadline of one unary call to one endpoint, and for a stream to open. Default 5000. */
  readonly requestTimeoutMs?: number;
  readonly log: Logger;
}

export interface Endpoint {
  readonly url: string;
  readonly client: Etcd3;
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
  #index: number;

  /** @param random in [0, 1): hosts begin at different endpoints, so that they share the load */
  constructor(
    readonly all: readonly Endpoint[],
    random: () => number,
  ) {
    this.#index = Math.floor(random() * all.length);
  }

  get current(): Endpoint {
    return this.all[this.#index]!;
  }

  /** Moves on from an endpoint that gave no answer; does nothing when somebody has moved on from it already. */
  passOver(endpoint: Endpoint): void {
    if (endpoint === this.current) this.#index = (this.#index + 1) % this.all.length;
  }

  close(): void {
    for (const { client } of this.all) client.close();
  }
}

/**
 * Reads the TLS files and creates a client for each endpoint. Nothing is connected yet.
 * @throws StoreError `invalid` for options that cannot work, `tls` for a file that cannot be read
 */
export function createEndpoints(options: Etcd3StoreOptions): Endpoint[] {
  const urls = parseEndpoints(options.endpoints, options.tls !== undefined);
  const secure = urls[0]!.startsWith('https:');
  if (!secure && options.tls !== undefined) {
    options.log.warn({ endpoints: urls }, 'TLS files are not used: the etcd endpoints are plain http');
  }
  const credentials = secure && options.tls !== undefined ? readTls(options.tls) : undefined;
  const timeoutMs = options.requestTimeoutMs ?? DEFAULT_TIMEOUT_MS;
  const { username, password } = options;
  if ((username === undefined) !== (password === undefined)) {
    throw new StoreError('invalid', 'etcd: user name and password go together; only one of them is given');
  }
  const shared: Omit<IOptions, 'hosts'> = {
    grpcOptions: GRPC_OPTIONS,
    // etcd3 would repeat writes whose answer is lost, and block all calls for 5 s after three failures.
    faultHandling: { global: noop, host: () => noop },
    // A function, because a deadline is a point in time; streams have none.
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + timeoutMs }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(username === undefined || password === undefined ? {} : { auth: { username, password } }),
  };
  return urls.map(url => ({ url, client: new Etcd3({ ...shared, hosts: [url] }) }));
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

function readTls(files: TlsFiles): NonNullable<IOptions['credentials']> {
  const { caFile, certFile, keyFile } = files;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new StoreError(
      'invalid',
      'etcd: a client certificate and its key go together; only one of them is given',
    );
  }
  const credentials: { rootCertificate?: Buffer; certChain?: Buffer; privateKey?: Buffer } = {};
  if (caFile !== undefined) credentials.rootCertificate = readPem(caFile, 'CA');
  if (certFile !== undefined) credentials.certChain = readPem(certFile, 'client certificate');
  if (keyFile !== undefined) credentials.privateKey = readPem(keyFile, 'client key');
  return credentials as NonNullable<IOptions['credentials']>;
}

function readPem(path: string, what: string): Buffer {
  try {
    const content = readFileSync(path);
    if (!content.includes('-----BEGIN ')) throw new Error('holds no PEM block');
    return content;
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new StoreError('tls', `etcd: read ${what} ${path}: ${text}`, { cause });
  }
}
