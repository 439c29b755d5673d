import t from 'tap';
import { deservesProbe, diagnose, type Situation } from '../../../src/subnet/etcd3-advice.js';

// The texts are those of etcd 3.4.23, grpc-js 1.14.7, Node 20 and OpenSSL 3.
const lost = (text: string) => `14 UNAVAILABLE: No connection established. Last error: ${text}`;
const situation: Situation = {
  url: 'https://etcd1.example:2379',
  files: { certFile: '/etc/c.pem', keyFile: '/etc/k.pem' },
  clientEndsAt: 2_000,
  username: 'bob',
  keyPrefix: '/net/',
  now: 1_000,
};
const certificate = { issuer: 'them', validFrom: 'FROM', validTo: 'TO', names: 'DNS:x' };

t.test('words', async t => {
  for (const [text, kind, code] of [
    [lost('Error: unable to verify the first certificate'), 'tls', 'server-untrusted'],
    [lost('Error: self-signed certificate in certificate chain'), 'tls', 'server-untrusted'],
    [lost('Error: certificate has expired'), 'tls', 'server-expired'],
    [lost('Error: certificate is not yet valid'), 'tls', 'server-not-yet-valid'],
    [
      lost("Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames: x"),
      'tls',
      'server-name',
    ],
    [lost('error:0A000412:SSL routines::sslv3 alert bad certificate:x'), 'tls', 'client-certificate'],
    [lost('error:0A00045C:SSL routines::tlsv13 alert certificate required'), 'tls', 'client-certificate'],
    [lost('error:0A000415:SSL routines::sslv3 alert certificate expired'), 'tls', 'client-certificate'],
    [lost('error:0A000418:SSL routines::tlsv1 alert unknown ca'), 'tls', 'client-certificate'],
    ['etcdserver: authentication failed, invalid user ID or password', 'denied', 'wrong-password'],
    ['7 PERMISSION_DENIED: etcdserver: permission denied', 'denied', 'no-permission'],
    ['3 INVALID_ARGUMENT: etcdserver: user name is empty', 'denied', 'no-user'],
    ['9 FAILED_PRECONDITION: etcdserver: authentication is not enabled', 'denied', 'auth-disabled'],
    ['16 UNAUTHENTICATED: invalid auth token', 'denied', 'token-refused'],
    ['14 UNAVAILABLE: Name resolution failed for target dns:x:1', 'unavailable', 'host-unknown'],
    [lost('Error: connect ECONNREFUSED 127.0.0.1:1'), 'unavailable', 'connection-refused'],
    [
      '4 DEADLINE_EXCEEDED: Deadline exceeded after 5.002s,waiting for name resolution',
      'unavailable',
      'host-unknown',
    ],
    [lost('Error: connect ENETUNREACH 10.0.0.9:2379 - Local (0.0.0.0:0)'), 'unavailable', 'no-route'],
    ['4 DEADLINE_EXCEEDED: Deadline exceeded after 5s', 'unavailable', 'no-answer'],
  ] as const) {
    t.match(diagnose(text, undefined, situation), { kind, advice: { code } }, text);
  }
  t.equal(diagnose('14 UNAVAILABLE: etcdserver: no leader', undefined, situation), undefined);
  const unseen = diagnose(lost('Error: unable to verify the first certificate'), undefined, situation);
  t.match(unseen?.advice.cause, /:2379 is signed by somebody else, not by the system's authorities/);
});

t.test('when a look at the endpoint can tell more', async t => {
  t.ok(deservesProbe(lost('Failed to connect'), 'unavailable'));
  t.ok(deservesProbe(lost('Error: Client network socket disconnected before secure TLS'), 'unavailable'));
  t.ok(deservesProbe(lost('Error: certificate has expired'), 'tls'), 'since when');
  t.notOk(deservesProbe(lost('Error: connect ECONNREFUSED 127.0.0.1:1'), 'unavailable'));
  t.notOk(deservesProbe('14 UNAVAILABLE: etcdserver: no leader', 'unavailable'));
  t.notOk(deservesProbe('4 DEADLINE_EXCEEDED: Deadline exceeded after 5s', 'unavailable'));
  t.notOk(deservesProbe('7 PERMISSION_DENIED: etcdserver: permission denied', 'denied'));
});

t.test('what a look shows counts more than the words', async t => {
  const text = lost('Failed to connect');
  const speaksTls = { kind: 'tls', complaint: undefined, certificate } as const;
  const plain = { ...situation, url: 'http://etcd1.example:2379' };
  t.match(diagnose(text, speaksTls, plain), { kind: 'tls', advice: { code: 'tls-expected' } });
  t.match(diagnose(text, { kind: 'plain' }, situation), { kind: 'tls', advice: { code: 'tls-not-spoken' } });
  t.equal(diagnose(text, { kind: 'silent' }, situation), undefined, 'a plain outage');
  t.equal(diagnose(text, speaksTls, situation), undefined, 'a connection that was cut');
  const complaining = (complaint: string) => ({ ...speaksTls, complaint });
  for (const [complaint, cause] of [
    ['CERT_HAS_EXPIRED', /has expired, on TO/],
    ['CERT_NOT_YET_VALID', /only from FROM/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /etcd1\.example: it is for DNS:x/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /signed by "them"/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /signed by "them"/],
    ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', /refuses our client certificate \/etc\/c\.pem/],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', /refuses our client certificate/],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', /refuses our client certificate/],
  ] as const) {
    t.match(diagnose(text, complaining(complaint), situation), { kind: 'tls', advice: { cause } }, complaint);
  }
  const late = { ...situation, now: 2_000 };
  t.match(diagnose(text, complaining('ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE'), late), {
    advice: { cause: 'our client certificate /etc/c.pem has expired, on 1970-01-01T00:00:02.000Z' },
  });
});
