/** Why a call could not be made → what it is called, its probable cause and the next command. Pure. */
import { etcdctl, quote, type EtcdctlAccess } from './etcdctl.js';
import type { CredentialFiles } from './etcd3-credentials.js';
import type { Probe, ServerCertificate } from './etcd3-probe.js';
import type { Advice, StoreErrorKind } from './store.js';

/** What is known of the endpoint and of ourselves. */
export interface Situation {
  readonly url: string;
  readonly files: CredentialFiles;
  readonly clientEndsAt: number | undefined;
  readonly username: string | undefined;
  /** What all keys that are used start with. */
  readonly keyPrefix: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface Diagnosis {
  readonly kind: StoreErrorKind;
  readonly advice: Advice;
}

/** What gRPC (grpc-js 1.14), Node, OpenSSL and etcd (api/v3rpc/rpctypes) say, and what it comes to. */
const WORDS = [
  ['server-expired', /certificate has expired|CERT_HAS_EXPIRED/],
  ['server-not-yet-valid', /certificate is not yet valid|CERT_NOT_YET_VALID/],
  ['server-name', /ALTNAME|does not match certificate's altnames/],
  [
    'server-untrusted',
    /unable to (?:verify|get)|self[- ]signed|UNABLE_TO_|SELF_SIGNED|CERT_(?:UNTRUSTED|SIGNATURE_FAILURE|CHAIN_TOO_LONG)/,
  ],
  [
    'client-certificate',
    /alert[_ ](?:bad|unsupported|no)[_ ]certificate|alert[_ ]certificate[_ ]|alert[_ ]unknown[_ ]ca|alert[_ ]access[_ ]denied/i,
  ],
  ['wrong-password', /authentication failed, invalid user ID or password/],
  ['no-permission', /permission denied/],
  ['no-user', /user name is empty/],
  ['auth-disabled', /authentication is not enabled/],
  ['token-refused', /invalid auth token/],
  // A call may also run out of time while the name is still being asked for.
  ['host-unknown', /Name resolution failed|waiting for name resolution|ENOTFOUND|EAI_AGAIN/],
  ['connection-refused', /ECONNREFUSED/],
  ['no-route', /ENETUNREACH/],
  ['no-answer', /DEADLINE_EXCEEDED|ETIMEDOUT|EHOSTUNREACH|was not opened within|no answer to/],
] as const satisfies readonly (readonly [string, RegExp])[];

/** What no words say: which of the two sides speaks TLS. */
type Code = (typeof WORDS)[number][0] | 'tls-expected' | 'tls-not-spoken';

/**
 * Whether a look at the endpoint can tell more than these words: about every TLS failure, and when a connection just ended.
 * @param text message of the failure
 */
export function deservesProbe(text: string, kind: StoreErrorKind): boolean {
  if (kind === 'tls') return true;
  return kind === 'unavailable' && text.includes('UNAVAILABLE: No connection') && codeOf(text) === undefined;
}

/**
 * Names a failure.
 * @param text its message
 * @param probe what a look at the endpoint showed, if there was one
 * @returns undefined for what is neither about access nor reaching etcd
 */
export function diagnose(
  text: string,
  probe: Probe | undefined,
  situation: Situation,
): Diagnosis | undefined {
  const code = probedCode(probe, situation.url) ?? codeOf(text);
  if (code === undefined) return undefined;
  const certificate = probe?.kind === 'tls' ? probe.certificate : undefined;
  return adviseOn(code, certificate, situation);
}

function codeOf(text: string): Code | undefined {
  return WORDS.find(([, words]) => words.test(text))?.[0];
}

function probedCode(probe: Probe | undefined, url: string): Code | undefined {
  if (probe === undefined || probe.kind === 'silent') return undefined;
  if (probe.kind === 'plain') return 'tls-not-spoken';
  if (url.startsWith('http:')) return 'tls-expected';
  return probe.complaint === undefined ? undefined : codeOf(probe.complaint);
}

function adviseOn(code: Code, certificate: ServerCertificate | undefined, situation: Situation): Diagnosis {
  const { url, files, username } = situation;
  const { hostname, host, port } = new URL(url);
  const [kind, advise] = ADVICE[code];
  const [cause, next] = advise({
    ...{ situation, certificate, hostname, host, port },
    access: { endpoints: [url], ...files, username },
    handshake: `openssl s_client -connect ${host} </dev/null`,
  });
  return { kind, advice: { code, cause, next } };
}

/** What the words of an advice are made of. */
interface Scene {
  readonly situation: Situation;
  /** Of the server, where one was seen. */
  readonly certificate: ServerCertificate | undefined;
  readonly hostname: string;
  /** With the port. */
  readonly host: string;
  readonly port: string;
  /** What etcdctl needs to reach the endpoint as we do. */
  readonly access: EtcdctlAccess;
  /** The command that shows the server's side of a handshake. */
  readonly handshake: string;
}

type Words = readonly [cause: string, next: string];

const ADVICE: Readonly<Record<Code, readonly [StoreErrorKind, (scene: Scene) => Words]>> = {
  'server-untrusted': [
    'tls',
    ({ situation, certificate, host, handshake }) => {
      const signer = certificate === undefined ? 'somebody else' : `"${certificate.issuer}"`;
      const trusted = situation.files.caFile ?? "the system's authorities, as no --etcd-cafile is given";
      return [
        `the certificate of ${host} is signed by ${signer}, not by ${trusted}`,
        `${handshake} -showcerts; then put the right CA into --etcd-cafile`,
      ];
    },
  ],
  'server-expired': [
    'tls',
    ({ certificate, host, handshake }) => [
      `the certificate of ${host} has expired${certificate === undefined ? '' : `, on ${certificate.validTo}`}; or the clock of this host is wrong`,
      `date; ${handshake} | openssl x509 -noout -dates; then renew the certificate of etcd`,
    ],
  ],
  'server-not-yet-valid': [
    'tls',
    ({ certificate, host, handshake }) => [
      `the certificate of ${host} is not valid yet${certificate === undefined ? '' : `, only from ${certificate.validFrom}`}; or the clock of this host is wrong`,
      `date; ${handshake} | openssl x509 -noout -dates`,
    ],
  ],
  'server-name': [
    'tls',
    ({ certificate, hostname, host, handshake }) => {
      const names = certificate === undefined ? '' : `: it is for ${certificate.names || 'no name at all'}`;
      return [
        `the certificate of ${host} is not for ${hostname}${names}`,
        `${handshake} | openssl x509 -noout -ext subjectAltName; use a name of it in --etcd-endpoints`,
      ];
    },
  ],
  'client-certificate': ['tls', ({ situation, host }) => clientCertificateAdvice(situation, host)],
  'tls-expected': [
    'tls',
    ({ host }) => [
      `${host} speaks TLS, and the endpoint says http`,
      `use https://${host} in --etcd-endpoints, with --etcd-cafile`,
    ],
  ],
  'tls-not-spoken': [
    'tls',
    ({ host }) => [
      `${host} speaks plain http, and the endpoint says https`,
      `use http://${host} in --etcd-endpoints, or give etcd --cert-file and --key-file`,
    ],
  ],
  'wrong-password': [
    'denied',
    ({ situation: { files, username, keyPrefix }, access }) => {
      const from =
        files.passwordFile === undefined ? '' : `; a mended ${files.passwordFile} is read again by itself`;
      return [
        `etcd has no user "${username ?? ''}" with this password`,
        `${etcdctl(access)} get --limit 1 ${keyPrefix ?? '/'} (it asks for the password)${from}`,
      ];
    },
  ],
  'no-permission': [
    'denied',
    ({ situation: { username, keyPrefix }, access }) => {
      const who =
        username === undefined ? 'the user that the client certificate names' : `the user "${username}"`;
      const range = keyPrefix === undefined ? 'these keys' : `all keys that start with ${keyPrefix}`;
      const asRoot = etcdctl({ ...access, username: 'root' });
      return [
        `${who} has no role that may read and write ${range}`,
        `${asRoot} user get ${username ?? 'USER'}; ${asRoot} role grant-permission ROLE --prefix=true readwrite ${keyPrefix ?? 'PREFIX'}`,
      ];
    },
  ],
  'no-user': [
    'denied',
    () => [
      'etcd wants a user and none is given',
      'give --etcd-username and --etcd-password-file, or a client certificate whose common name is the user',
    ],
  ],
  'auth-disabled': [
    'denied',
    () => [
      'a user is given, and authentication is not enabled in this etcd',
      'leave out --etcd-username and the password, or: etcdctl auth enable',
    ],
  ],
  'token-refused': [
    'denied',
    () => [
      'etcd refuses a token that it has just given',
      'etcdctl endpoint status --cluster; is --auth-token-ttl of etcd too short, or are its members apart?',
    ],
  ],
  'host-unknown': [
    'unavailable',
    ({ hostname }) => [`the name ${hostname} does not resolve on this host`, `getent hosts ${hostname}`],
  ],
  'connection-refused': [
    'unavailable',
    ({ host, port, access }) => [
      `nothing listens at ${host}: etcd is down, or on another port than ${port}`,
      `${etcdctl(access)} endpoint health`,
    ],
  ],
  'no-route': [
    'unavailable',
    ({ hostname, host }) => [
      `this host has no route to ${host}: a link is down, or the route is missing`,
      `ip -brief link; ip route get ${hostname}`,
    ],
  ],
  'no-answer': [
    'unavailable',
    ({ host, access }) => [
      `no answer from ${host}: etcd hangs, or a firewall or the network between drops packets`,
      `${etcdctl(access)} endpoint health`,
    ],
  ],
};

function clientCertificateAdvice({ files, clientEndsAt, now }: Situation, host: string): Words {
  const { certFile } = files;
  if (certFile === undefined) {
    return [
      `${host} wants a client certificate and none is given`,
      'give --etcd-certfile and --etcd-keyfile',
    ];
  }
  const look = `openssl x509 -in ${quote(certFile)} -noout -issuer -dates -ext extendedKeyUsage`;
  if (clientEndsAt !== undefined && clientEndsAt <= now) {
    const ended = new Date(clientEndsAt).toISOString();
    return [
      `our client certificate ${certFile} has expired, on ${ended}`,
      `${look}; a renewed file is read again by itself`,
    ];
  }
  return [
    `${host} refuses our client certificate ${certFile}: it is not signed by the CA that etcd trusts (its --trusted-ca-file), or not for clients`,
    look,
  ];
}
