/** Throw-away certificates for tests, made with openssl. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface IssueOptions {
  /** Who signs: `self` is nobody else. Default `ca`. */
  readonly by?: 'ca' | 'other' | 'self';
  /** Default `IP:127.0.0.1,DNS:localhost`. */
  readonly names?: string;
  /** Validity as moments in milliseconds since the epoch. Default: from yesterday until tomorrow. */
  readonly from?: number;
  readonly until?: number;
}

export interface Certificates {
  /** Signs the server and the client. */
  readonly caFile: string;
  /** Signs what is issued by `other`. */
  readonly otherCaFile: string;
  readonly server: Certificate;
  readonly client: Certificate;
  /** A path in the directory of all these files. */
  readonly file: (name: string) => string;
  /** Makes another certificate, for servers and clients. @param name common name, and name of the files */
  readonly issue: (name: string, options?: IssueOptions) => Certificate;
  remove(): void;
}

const DAY_MS = 86_400_000;
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** `openssl ca` alone gives certificates a validity in the past or in the future. */
const CA_CONFIG = `
[ca]
default_ca = any
[any]
new_certs_dir = .
database = index
serial = serial
default_md = sha256
policy = policy
unique_subject = no
[policy]
commonName = supplied
`;

/** Makes two CAs, and a server certificate for 127.0.0.1 and `localhost` and a client certificate of the first. */
export function makeCertificates(): Certificates {
  const directory = mkdtempSync(join(tmpdir(), 'selvedge-certificates-'));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  // On the ways out that `t.teardown` does not see.
  process.once('exit', remove);
  const file = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  for (const ca of ['ca', 'other']) {
    openssl('req', '-x509', ...NEW_KEY, '-keyout', `${ca}.key`, '-out', `${ca}.crt`, '-subj', `/CN=${ca}`);
  }
  writeFileSync(file('ca.cnf'), CA_CONFIG);
  writeFileSync(file('index'), '');
  writeFileSync(file('serial'), '01');
  const issue = (name: string, options: IssueOptions = {}): Certificate => {
    const { by = 'ca', names = 'IP:127.0.0.1,DNS:localhost' } = options;
    const { from = Date.now() - DAY_MS, until = Date.now() + DAY_MS } = options;
    writeFileSync(file('extensions'), `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    openssl('req', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signer =
      by === 'self'
        ? ['-selfsign', '-keyfile', `${name}.key`]
        : ['-cert', `${by}.crt`, '-keyfile', `${by}.key`];
    const validity = ['-startdate', asn1Time(from), '-enddate', asn1Time(until)];
    const paths = [
      '-in',
      `${name}.csr`,
      '-out',
      `${name}.crt`,
      '-extfile',
      'extensions',
      '-config',
      'ca.cnf',
    ];
    openssl('ca', '-batch', '-notext', ...paths, ...signer, ...validity);
    return { certFile: file(`${name}.crt`), keyFile: file(`${name}.key`) };
  };
  return {
    caFile: file('ca.crt'),
    otherCaFile: file('other.crt'),
    server: issue('server'),
    client: issue('client'),
    file,
    issue,
    remove: () => {
      process.off('exit', remove);
      remove();
    },
  };
}

/** Puts the contents of a certificate's files into other files, as a renewal does. */
export function copyCertificate(from: Certificate, to: Certificate): void {
  writeFileSync(to.certFile, readFileSync(from.certFile));
  writeFileSync(to.keyFile, readFileSync(from.keyFile));
}

/** `20260101120000Z`. */
function asn1Time(moment: number): string {
  return new Date(moment).toISOString().replace(/[-:T]|\.\d+/g, '');
}
