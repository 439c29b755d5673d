/** What the credential files hold → what a client is made of, or what is wrong with which file. Pure. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { StoreError } from './store.js';

/** Paths of the files that say who we are and whom we trust. */
export interface CredentialFiles {
  /** PEM bundle that signs the servers; without it the system's authorities count. */
  readonly caFile?: string;
  /** PEM client certificate, with its intermediates behind it; needs `keyFile`. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** The password alone; one line break at its end is no part of it. */
  readonly passwordFile?: string;
}

/** What each file is called in messages. */
export const FILE_WORDS: Readonly<Record<keyof CredentialFiles, string>> = {
  caFile: 'CA',
  certFile: 'client certificate',
  keyFile: 'client key',
  passwordFile: 'password file',
};

export type FileContents = { readonly [F in keyof CredentialFiles]: Buffer };

/** A file of certificates that is in use. */
export interface CertificateFile {
  readonly role: 'client' | 'CA';
  readonly file: string;
  /** When its certificates end, in milliseconds since the epoch; of a client's chain the first to end. */
  readonly ends: readonly number[];
}

export interface Credentials {
  readonly ca: Buffer | undefined;
  /** When each certificate of the CA bundle ends, in milliseconds since the epoch. */
  readonly caEnds: readonly number[];
  /** Undefined when no client certificate is given. */
  readonly client: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** The client certificate is valid until then, in milliseconds since the epoch. */
  readonly clientEndsAt: number | undefined;
  /** Behind a function, because serialisers leave functions out. */
  readonly password: (() => string) | undefined;
}

const PEM_CERTIFICATE = /-----BEGIN (?:X509 )?CERTIFICATE-----[^-]+-----END (?:X509 )?CERTIFICATE-----/g;

/**
 * Checks that the files are whole and fit together: while they are being replaced they may not.
 * @throws StoreError `tls`, or `invalid` for the password; the message names the file and never its contents
 */
export function readCredentials(files: CredentialFiles, contents: FileContents): Credentials {
  const ca = contents.caFile;
  const authorities = ca === undefined ? [] : readCertificates(ca, 'CA', files.caFile!);
  const client = readClient(files, contents);
  return { ca, caEnds: authorities.map(endOf), ...client, password: readPassword(files, contents) };
}

/** The certificate files in use. */
export function certificatesOf(
  { caFile, certFile }: CredentialFiles,
  { caEnds, clientEndsAt }: Credentials,
): CertificateFile[] {
  return [
    ...(certFile === undefined || clientEndsAt === undefined
      ? []
      : [{ role: 'client' as const, file: certFile, ends: [clientEndsAt] }]),
    ...(caFile === undefined ? [] : [{ role: 'CA' as const, file: caFile, ends: caEnds }]),
  ];
}

/**
 * When a file needs attention: when the next of its certificates ends. One that has ended counts only when all have, for an
 * old CA may stay in a bundle beside the new one.
 * @param now milliseconds since the epoch
 */
export function nextEnd({ ends }: CertificateFile, now: number): number {
  const coming = ends.filter(end => end > now);
  return coming.length === 0 ? Math.max(...ends) : Math.min(...coming);
}

function readClient(
  { certFile, keyFile }: CredentialFiles,
  { certFile: cert, keyFile: key }: FileContents,
): Pick<Credentials, 'client' | 'clientEndsAt'> {
  if (cert === undefined || key === undefined) return { client: undefined, clientEndsAt: undefined };
  const certificates = readCertificates(cert, 'client certificate', certFile!);
  if (!certificates[0]!.checkPrivateKey(readKey(key, keyFile!))) {
    throw fault('client key', keyFile!, `does not belong to the certificate in ${certFile!}`);
  }
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    throw fault('client certificate', certFile!, messageOf(cause), cause);
  }
  // One expired certificate breaks the whole chain.
  return { client: { cert, key }, clientEndsAt: Math.min(...certificates.map(endOf)) };
}

function endOf({ validTo }: X509Certificate): number {
  return Date.parse(validTo);
}

function readCertificates(content: Buffer, what: string, path: string): X509Certificate[] {
  const text = content.toString('latin1');
  const blocks = text.match(PEM_CERTIFICATE) ?? [];
  const begun = text.match(/-----BEGIN (?:X509 )?CERTIFICATE-----/g)?.length ?? 0;
  if (begun === 0) throw fault(what, path, 'holds no PEM certificate');
  if (begun > blocks.length) throw fault(what, path, 'is cut off within a certificate');
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw fault(what, path, `certificate ${index + 1} cannot be read: ${messageOf(cause)}`, cause);
    }
  });
}

function readKey(content: Buffer, path: string): KeyObject {
  if (content.includes('ENCRYPTED')) throw fault('client key', path, 'is encrypted');
  try {
    return createPrivateKey(content);
  } catch (cause) {
    // OpenSSL's words for it help nobody.
    throw fault('client key', path, 'holds no whole PEM private key', cause);
  }
}

function readPassword(files: CredentialFiles, contents: FileContents): (() => string) | undefined {
  if (contents.passwordFile === undefined) return undefined;
  const password = contents.passwordFile.toString().replace(/\r?\n$/, '');
  if (password === '')
    throw new StoreError('invalid', `etcd: the password file ${files.passwordFile!} is empty`);
  return () => password;
}

function fault(what: string, path: string, wrong: string, cause?: unknown): StoreError {
  return new StoreError('tls', `etcd: ${what} ${path}: ${wrong}`, { cause });
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
