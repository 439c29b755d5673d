/** What the etcd store is made of, and the rules that its options must keep. */
import type { Logger } from 'pino';
import type { CertificateFile, CredentialFiles } from './etcd3-credentials.js';
import type { EndpointView } from './etcd3-endpoint-watch.js';
import { isSecure, parseEndpoints } from './etcd3-endpoints.js';
import { StoreError } from './store.js';

/** See `requestTimeoutMs`. */
const DEFAULT_TIMEOUT_MS = 5_000;
/** See `lookEveryMs`. */
const DEFAULT_LOOK_MS = 60_000;

export type TlsFiles = Omit<CredentialFiles, 'passwordFile'>;

/** How the credential files in use are doing. */
export interface CredentialsView {
  /** Those in use. */
  readonly certificates: readonly CertificateFile[];
  /** Why what the files hold now is not used, if so: an earlier state of them is. */
  readonly fault: string | undefined;
}

export interface Etcd3StoreOptions {
  /** `http://host:port` or `https://host:port`, all of one scheme; without a scheme TLS is used when `tls` is given. */
  readonly endpoints: readonly string[];
  readonly tls?: TlsFiles;
  readonly username?: string;
  /** The user's password, or the file that holds it. */
  readonly password?: string;
  readonly passwordFile?: string;
  /** What all keys that are used start with; advice on missing permissions names it. */
  readonly keyPrefix?: string;
  /** Deadline of one unary call to one endpoint, and for a stream to open. Default 5000. */
  readonly requestTimeoutMs?: number;
  /** How often the credential files are looked at, beside after every failure. Default 60000. */
  readonly lookEveryMs?: number;
  /** Told at the creation of the store and whenever the view changes. */
  readonly onCredentials?: (view: CredentialsView) => void;
  /** Told whenever something changes of what is known of the endpoints. */
  readonly onEndpoints?: (view: readonly EndpointView[]) => void;
  /** In [0, 1): which endpoint is the first, and the pauses between attempts. Default `Math.random`. */
  readonly random?: () => number;
  readonly log: Logger;
}

/** Sound options, with the defaults put in. */
export interface Settings {
  readonly urls: readonly string[];
  readonly files: CredentialFiles;
  readonly username: string | undefined;
  readonly password: (() => string) | undefined;
  readonly keyPrefix: string | undefined;
  readonly timeoutMs: number;
  readonly lookEveryMs: number;
}

/** @throws StoreError `invalid` for options that cannot work; the message never holds a password */
export function settle(options: Etcd3StoreOptions): Settings {
  const { tls, username, password, passwordFile, log } = options;
  const urls = parseEndpoints(options.endpoints, tls !== undefined);
  const secure = isSecure(urls[0]!);
  if (!secure && tls !== undefined) {
    log.warn({ endpoints: urls }, 'TLS files are not used: the etcd endpoints are plain http');
  }
  if (secure) requirePair(tls?.certFile, tls?.keyFile, 'a client certificate and its key');
  if (password !== undefined && passwordFile !== undefined) {
    throw new StoreError('invalid', 'etcd: a password and a password file are given; only one can be used');
  }
  requirePair(username, password ?? passwordFile, 'user name and password');
  return {
    urls,
    files: { ...(secure && tls), ...(passwordFile !== undefined && { passwordFile }) },
    username,
    password: password === undefined ? undefined : () => password,
    keyPrefix: options.keyPrefix,
    timeoutMs: options.requestTimeoutMs ?? DEFAULT_TIMEOUT_MS,
    lookEveryMs: options.lookEveryMs ?? DEFAULT_LOOK_MS,
  };
}

function requirePair(a: string | undefined, b: string | undefined, what: string): void {
  if ((a === undefined) === (b === undefined)) return;
  throw new StoreError('invalid', `etcd: ${what} go together; only one of them is given`);
}
