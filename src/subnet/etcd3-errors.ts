/**
 * What etcd and gRPC say when a call fails → StoreError. Pure.
 *
 * etcd3 gives typed errors, but its classes tell an outage from a TLS fault as little as gRPC's status does, and its
 * streams emit raw errors. All of them carry `CODE NAME: text` in the message, so the message is what we read.
 */
import { ClientClosedError, EtcdError, GRPCGenericError } from 'etcd3';
import { StoreError, type StoreErrorKind } from './store.js';

/** gRPC status names after which the same request may succeed; whether it was carried out is not known. */
const UNCERTAIN = new Set([
  'ABORTED',
  'CANCELLED',
  'DATA_LOSS',
  'DEADLINE_EXCEEDED',
  'INTERNAL',
  'RESOURCE_EXHAUSTED',
  'UNAVAILABLE',
  'UNKNOWN',
]);

/** How a gRPC status begins the message of an error. */
const STATUS = /\b\d{1,2} ([A-Z_]+):/;

/** What needs no reading. etcd3 makes the last two of any plain error that a call gave it, whatever it says. */
const FAILURES = [StoreError, ClientClosedError, EtcdError, GRPCGenericError];

/** etcd's texts for who may do what (etcd api/v3rpc/rpctypes/error.go); their status names differ from text to text. */
const DENIED_TEXT =
  /authentication failed|invalid auth token|permission denied|authentication is not enabled|user name is empty/;

/** The token has expired or the server forgot it; a new one heals it. */
const STALE_TOKEN_TEXT = 'invalid auth token';

/**
 * OpenSSL's and Node's words for a handshake that failed, as grpc-js repeats them after `Last error:`. A peer that just
 * closes (`disconnected before secure TLS connection was established`) is not among them: a proxy without a server does that.
 */
const TLS_TEXT = /certificate|self[- ]signed|SSL routines|wrong version number|EPROTO|altname|ERR_TLS/i;

/** An answer larger than `grpc.max_receive_message_length`, or than etcd may send: asking again gives the same. */
const TOO_LARGE_TEXT = /message larger than max/i;

/**
 * Makes the error that the port promises.
 * @param cause what was thrown or emitted; a StoreError keeps its kind and becomes the last part of the message
 * @param doing what was being done, to what: `list /net/subnets`
 * @param endpoint URL of the endpoint that was asked
 */
export function storeError(cause: unknown, doing: string, endpoint: string): StoreError {
  const text = messageOf(cause);
  const kind = cause instanceof StoreError ? cause.kind : kindOf(text);
  const advice = cause instanceof StoreError ? cause.advice : undefined;
  return new StoreError(kind, `${doing} at ${endpoint}: ${text}`, { cause, advice });
}

/**
 * True for what etcd, gRPC or this store itself says of a call that failed; anything else is a fault of a program, which
 * trying again does not mend.
 */
export function isCallFailure(cause: unknown): boolean {
  if (FAILURES.some(kind => cause instanceof kind)) return true;
  return cause instanceof Error && (STATUS.test(messageOf(cause)) || isDenied(cause.message));
}

/** True when no answer came, so that asking again, or elsewhere, may help and a write may have been carried out. */
export function isUncertain(error: StoreError): boolean {
  return error.kind === 'unavailable' || error.kind === 'tls';
}

/** @param text message or cancel reason */
export function isDenied(text: string): boolean {
  return DENIED_TEXT.test(text);
}

export function isStaleToken(cause: unknown): boolean {
  return messageOf(cause).includes(STALE_TOKEN_TEXT);
}

export function isLeaseGone(cause: unknown): boolean {
  return messageOf(cause).includes('etcdserver: requested lease not found');
}

/** A page of a pinned revision was asked for after that revision had been compacted. */
export function isCompacted(cause: unknown): boolean {
  return messageOf(cause).includes('required revision has been compacted');
}

/** More was asked for than fits one answer. */
export function isTooLarge(cause: unknown): boolean {
  return TOO_LARGE_TEXT.test(messageOf(cause));
}

function kindOf(text: string): StoreErrorKind {
  if (isDenied(text)) return 'denied';
  const status = STATUS.exec(text)?.[1];
  if (status === 'PERMISSION_DENIED' || status === 'UNAUTHENTICATED') return 'denied';
  if (status === undefined || !UNCERTAIN.has(status)) return 'invalid';
  if (status === 'UNAVAILABLE' && TLS_TEXT.test(text)) return 'tls';
  return TOO_LARGE_TEXT.test(text) ? 'invalid' : 'unavailable';
}

function messageOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  // etcd3 wraps this one text as if it were a lease id.
  const bare = text.replace(/^Lease (\d+ [A-Z_]+: .*) is expired or revoked$/, '$1');
  // grpc-js appends the time of the failure and an often empty note; OpenSSL ends its part with a line break.
  return bare
    .replace(/\s*\(\d{4}-\d\d-\d\dT[\d:.]+Z\)/g, '')
    .replace(/\.? Resolution note: *$/, '')
    .replace(/\s+/g, ' ');
}
