/**
 * Access to etcd as it is at the moment: clients made of what the credential files hold, made anew when that changes, and
 * the diagnosis when access fails.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { deservesProbe, diagnose } from './etcd3-advice.js';
import {
  certificatesOf,
  FILE_WORDS,
  readCredentials,
  type CredentialFiles,
  type Credentials,
  type FileContents,
} from './etcd3-credentials.js';
import { EndpointWatch, type EndpointView } from './etcd3-endpoint-watch.js';
import { createEndpoints, Endpoints, type Endpoint } from './etcd3-endpoints.js';
import type { CredentialsView, Settings } from './etcd3-options.js';
import { lookAt, probe, type Probe } from './etcd3-probe.js';
import { StoreError, type Advice } from './store.js';

const PROBE_TIMEOUT_MS = 3_000;
/** What a probe showed counts for so long: one look in a burst of failures is enough. */
const PROBE_VALID_MS = 60_000;
/** Files that are being replaced are looked at again sooner than others. */
const FAULTY_LOOK_MS = 2_000;
/** An endpoint that keeps failing in the same way is worth a line so often. */
const SAY_AGAIN_MS = 600_000;

/** What is given from outside, beside the settings. */
export interface AccessContext {
  readonly log: Logger;
  readonly onCredentials: (view: CredentialsView) => void;
  readonly onEndpoints: (view: readonly EndpointView[]) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
}

interface Look {
  readonly text: string;
  readonly at: number;
  readonly result: Promise<Probe>;
}

export class Access {
  readonly endpoints: Endpoints;
  readonly #settings: Settings;
  readonly #context: AccessContext;
  #credentials: Credentials;
  /** Digest of the contents in use. */
  #used: string;
  #fault: string | undefined;
  readonly #looks = new Map<Endpoint, Look>();
  /** What was said of each endpoint last, by URL. */
  readonly #said = new Map<string, { readonly code: string; readonly at: number }>();
  readonly #watch: EndpointWatch;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** @throws StoreError for files that cannot be read or used */
  constructor(settings: Settings, context: AccessContext) {
    this.#settings = settings;
    this.#context = context;
    const contents = readFiles(settings.files);
    this.#credentials = readCredentials(settings.files, contents);
    this.#used = digest(contents);
    this.endpoints = new Endpoints(this.#createEndpoints(), context.random);
    const { onEndpoints: onChange, now, random } = context;
    const look = (url: string) => lookAt(url, this.#credentials, PROBE_TIMEOUT_MS);
    this.#watch = new EndpointWatch({ urls: settings.urls, look, onChange, now, random });
    this.#tell();
    this.#planLook();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#watch.close();
    this.endpoints.close();
  }

  /**
   * Looks whether the files have changed, and takes new clients if so. Files that are not whole, or do not fit together,
   * change nothing: what was read before stays in use.
   */
  refresh(): void {
    if (this.#isClosed) return;
    const { files } = this.#settings;
    try {
      const contents = readFiles(files);
      const found = digest(contents);
      if (found !== this.#used) this.#take(readCredentials(files, contents), found);
      else if (this.#fault !== undefined) this.#context.log.info('the credential files are as before again');
      this.#setFault(undefined);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (this.#fault !== error.message) {
        this.#context.log.warn(
          `${error.message}; what was read before stays in use, and the files are tried again`,
        );
      }
      this.#setFault(error.message);
    }
  }

  #take(credentials: Credentials, contents: string): void {
    this.#credentials = credentials;
    this.#used = contents;
    this.#looks.clear();
    this.endpoints.replaceAll(this.#createEndpoints());
    this.#fault = undefined;
    const files = Object.values(this.#settings.files);
    this.#context.log.info({ files }, 'credential files have changed: new connections to etcd use them');
    this.#tell();
  }

  /**
   * Adds to a failure what can be found out about it. Changed files are taken up first, for they may be the cure.
   * @returns the error with its diagnosis, of the kind that the diagnosis shows
   */
  async explain(error: StoreError, endpoint: Endpoint): Promise<StoreError> {
    if (error.kind === 'invalid' || this.#isClosed) return error;
    const { files, username, keyPrefix } = this.#settings;
    const { clientEndsAt } = this.#credentials;
    const found = deservesProbe(error.message, error.kind) ? await this.#look(error, endpoint) : undefined;
    this.refresh();
    const situation = {
      url: endpoint.url,
      files,
      clientEndsAt,
      username,
      keyPrefix,
      now: this.#context.now(),
    };
    const diagnosis = diagnose(error.message, found, situation);
    if (diagnosis === undefined) return error;
    if (diagnosis.kind !== 'denied') this.#sayPassedOver(endpoint.url, diagnosis.advice);
    return new StoreError(diagnosis.kind, error.message, { cause: error.cause, advice: diagnosis.advice });
  }

  /** While another endpoint serves, nothing else would show that this one does not. */
  #sayPassedOver(url: string, advice: Advice): void {
    if (this.#settings.urls.length === 1) return;
    this.#watch.notePassedOver(url, advice);
    const { code, cause, next } = advice;
    const at = this.#context.now();
    const last = this.#said.get(url);
    if (last?.code === code && at - last.at < SAY_AGAIN_MS) return;
    this.#said.set(url, { code, at });
    this.#context.log.warn({ url, code, next }, `etcd endpoint ${url} is passed over: ${cause}`);
  }

  #look({ message }: StoreError, endpoint: Endpoint): Promise<Probe> {
    const now = this.#context.now();
    // What was being done does not matter.
    const text = message.slice(message.indexOf(endpoint.url));
    const last = this.#looks.get(endpoint);
    if (last?.text === text && now - last.at < PROBE_VALID_MS) return last.result;
    const result = probe(endpoint.url, this.#credentials, PROBE_TIMEOUT_MS);
    this.#looks.set(endpoint, { text, at: now, result });
    return result;
  }

  #createEndpoints(): Endpoint[] {
    const { urls, username, timeoutMs } = this.#settings;
    const password = this.#settings.password ?? this.#credentials.password;
    const user = username === undefined || password === undefined ? undefined : { name: username, password };
    return createEndpoints(urls, { credentials: this.#credentials, user }, timeoutMs);
  }

  #planLook(): void {
    const { files, lookEveryMs } = this.#settings;
    if (Object.keys(files).length === 0) return;
    const wait = this.#fault === undefined ? lookEveryMs : Math.min(lookEveryMs, FAULTY_LOOK_MS);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.refresh();
      this.#planLook();
    }, wait).unref();
  }

  #setFault(fault: string | undefined): void {
    if (fault === this.#fault) return;
    this.#fault = fault;
    this.#planLook();
    this.#tell();
  }

  #tell(): void {
    const certificates = certificatesOf(this.#settings.files, this.#credentials);
    this.#context.onCredentials({ certificates, fault: this.#fault });
  }
}

function readFiles(files: CredentialFiles): FileContents {
  const names = Object.keys(files) as (keyof CredentialFiles)[];
  return Object.fromEntries(names.map(name => [name, readOne(FILE_WORDS[name], files[name]!)]));
}

function readOne(what: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new StoreError('tls', `etcd: cannot read ${what} ${path}: ${text}`, { cause });
  }
}

function digest(contents: FileContents): string {
  const hash = createHash('sha256');
  for (const [name, content] of Object.entries(contents))
    hash.update(`${name} ${content.length}\n`).update(content);
  return hash.digest('base64');
}
