/** Throw-away certificates for tests, made with openssl. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificates {
  /** Signs the server and the client. */
  readonly caFile: string;
  /** Signs nothing. */
  readonly otherCaFile: string;
  readonly server: { readonly certFile: string; readonly keyFile: string };
  readonly client: { readonly certFile: string; readonly keyFile: string };
  remove(): void;
}

/** Makes two CAs, and a server certificate for 127.0.0.1 and `localhost` and a client certificate of the first. */
export function makeCertificates(): Certificates {
  const directory = mkdtempSync(join(tmpdir(), 'selvedge-certificates-'));
  const file = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const ca of ['ca', 'other']) {
    openssl('req', '-x509', ...newKey, '-keyout', `${ca}.key`, '-out', `${ca}.crt`, '-subj', `/CN=${ca}`);
  }
  writeFileSync(
    file('extensions'),
    'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n',
  );
  const signed = (name: string) => {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'extensions'];
    openssl('x509', '-req', '-in', `${name}.csr`, ...signing, '-out', `${name}.crt`, '-days', '2');
    return { certFile: file(`${name}.crt`), keyFile: file(`${name}.key`) };
  };
  return {
    caFile: file('ca.crt'),
    otherCaFile: file('other.crt'),
    server: signed('server'),
    client: signed('client'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
