/**
 * One plain connection to an endpoint, to learn what gRPC does not say: whether it speaks TLS at all, what its certificate
 * is, and with which alert it refused ours. Nothing is asked of etcd.
 */
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Credentials } from './etcd3-credentials.js';

/** What a server's certificate says, as Node words it. */
export interface ServerCertificate {
  /** Common name, else organisation, of who signed it. */
  readonly issuer: string;
  /** Such as `Nov 21 12:00:00 2026 GMT`. */
  readonly validFrom: string;
  readonly validTo: string;
  /** Such as `DNS:etcd1, IP Address:10.0.0.1`; empty when it has none. */
  readonly names: string;
}

export type Probe =
  /** It speaks TLS. `complaint`: Node's code for what is wrong with it, or OpenSSL's for the alert that it sent. */
  | {
      readonly kind: 'tls';
      readonly complaint: string | undefined;
      readonly certificate: ServerCertificate | undefined;
    }
  /** It speaks HTTP/2 without TLS. */
  | { readonly kind: 'plain' }
  /** Nothing was learnt. */
  | { readonly kind: 'silent' };

/** How an endpoint looks that nothing has to be found out about. */
export interface Look {
  /** It speaks as its scheme says, and nothing is wrong with its certificate or ours. */
  readonly answers: boolean;
  /** Milliseconds since the epoch; undefined without TLS, or when no certificate was seen. */
  readonly certificateEndsAt: number | undefined;
}

/** What an HTTP/2 client says first (RFC 9113, 3.4), with an empty SETTINGS frame; a server answers with its own. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
/** Offset and value of the type of that answer's frame (RFC 9113, 4.1 and 6.5). */
const FRAME_TYPE = { at: 3, settings: 4 };

/**
 * Connects once, at most twice, and never for longer than `timeoutMs`.
 * @param url `http://host:port` or `https://host:port`
 */
export async function probe(url: string, credentials: Credentials, timeoutMs: number): Promise<Probe> {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const deadline = AbortSignal.timeout(timeoutMs);
  const asTls = await probeTls(host, Number(port), credentials, deadline);
  // A plain etcd just closes on what it cannot read.
  if (asTls.kind === 'tls' || url.startsWith('http:')) return asTls;
  return probePlain(host, Number(port), deadline);
}

/** Connects once, and never for longer than `timeoutMs`. @param url as above */
export async function lookAt(url: string, credentials: Credentials, timeoutMs: number): Promise<Look> {
  const { hostname, port, protocol } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const deadline = AbortSignal.timeout(timeoutMs);
  const seen = await (protocol === 'http:'
    ? probePlain(host, Number(port), deadline)
    : probeTls(host, Number(port), credentials, deadline));
  if (seen.kind !== 'tls') return { answers: seen.kind === 'plain', certificateEndsAt: undefined };
  const end = seen.certificate && Date.parse(seen.certificate.validTo);
  return { answers: seen.complaint === undefined, certificateEndsAt: end };
}

function probeTls(
  host: string,
  port: number,
  credentials: Credentials,
  deadline: AbortSignal,
): Promise<Probe> {
  const { ca, client } = credentials;
  const socket = connectTls({
    host,
    port,
    ALPNProtocols: ['h2'],
    // It is looked at below; nothing that matters is said over this connection.
    rejectUnauthorized: false,
    ...(isIP(host) === 0 && { servername: host }),
    ...(ca !== undefined && { ca }),
    ...client,
  });
  let greeted: Probe | undefined;
  return settle(
    socket,
    deadline,
    () => greeted ?? { kind: 'silent' },
    done => {
      socket.on('secureConnect', () => {
        // The types know an Error only; Node gives the code.
        const complaint = socket.authorized ? undefined : String(socket.authorizationError);
        greeted = { kind: 'tls', complaint, certificate: certificateOf(socket) };
        // In TLS 1.3 a server judges our certificate after this; an answer to something proves that it took it.
        if (complaint === undefined) socket.write(PREFACE);
        else done(greeted);
      });
      socket.on('data', () => done(greeted!));
      socket.on('error', (error: NodeJS.ErrnoException) => {
        const isAlert = /^ERR_SSL_.*ALERT/.test(error.code ?? '');
        if (isAlert) done({ kind: 'tls', complaint: error.code!, certificate: certificateOf(socket) });
      });
    },
  );
}

function probePlain(host: string, port: number, deadline: AbortSignal): Promise<Probe> {
  const socket = connectPlain(port, host);
  let received = Buffer.of();
  return settle(
    socket,
    deadline,
    () => ({ kind: 'silent' }),
    done => {
      socket.on('connect', () => socket.write(PREFACE));
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        if (received.length <= FRAME_TYPE.at) return;
        done({ kind: received[FRAME_TYPE.at] === FRAME_TYPE.settings ? 'plain' : 'silent' });
      });
    },
  );
}

/** What `listen` comes to, or `otherwise` when the connection ends or the deadline passes before. */
function settle(
  socket: Socket,
  deadline: AbortSignal,
  otherwise: () => Probe,
  listen: (done: (probe: Probe) => void) => void,
): Promise<Probe> {
  return new Promise(resolve => {
    const end = () => done(otherwise());
    const done = (probe: Probe) => {
      deadline.removeEventListener('abort', end);
      socket.destroy();
      resolve(probe);
    };
    listen(done);
    socket.on('close', end);
    deadline.addEventListener('abort', end);
    if (deadline.aborted) end();
  });
}

function certificateOf(socket: TLSSocket): ServerCertificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const { issuer, validFrom, validTo, subjectAltName } = certificate;
  const fields = new Map(issuer.split('\n').map(line => line.split('=', 2) as [string, string]));
  const by = fields.get('CN') ?? fields.get('O') ?? issuer.replaceAll('\n', ', ');
  return { issuer: by, validFrom, validTo, names: subjectAltName ?? '' };
}
