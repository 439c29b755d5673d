import t from 'tap';
import { storeError } from '../../../src/subnet/etcd3-errors.js';
import { StoreError } from '../../../src/subnet/store.js';

// The texts are those of etcd 3.4.23 and grpc-js 1.14.7.
const noConnection = (text: string) => `14 UNAVAILABLE: No connection established. Last error: ${text}`;

t.test('kinds', async t => {
  for (const [kind, text] of [
    ['unavailable', noConnection('Error: connect ECONNREFUSED 127.0.0.1:2379. Resolution note: ')],
    ['unavailable', '4 DEADLINE_EXCEEDED: Deadline exceeded after 5.001s'],
    ['unavailable', '14 UNAVAILABLE: etcdserver: no leader'],
    ['unavailable', '8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded'],
    [
      'unavailable',
      noConnection('Error: Client network socket disconnected before secure TLS connection was established'),
    ],
    ['tls', noConnection('Error: unable to verify the first certificate. Resolution note: ')],
    [
      'tls',
      noConnection('80FC:error:0A000412:SSL routines:ssl3_read_bytes:sslv3 alert bad certificate:x.c:1'),
    ],
    ['tls', noConnection("Error: Hostname/IP does not match certificate's altnames")],
    ['denied', '7 PERMISSION_DENIED: etcdserver: permission denied'],
    ['denied', '3 INVALID_ARGUMENT: etcdserver: authentication failed, invalid user ID or password'],
    ['denied', '16 UNAUTHENTICATED: etcdserver: invalid auth token'],
    ['denied', 'rpc error: code = PermissionDenied desc = etcdserver: permission denied'],
    ['invalid', '3 INVALID_ARGUMENT: etcdserver: request is too large'],
    ['invalid', '8 RESOURCE_EXHAUSTED: Received message larger than max (5000000 vs 4194304)'],
    ['invalid', "Cannot read properties of undefined (reading 'x')"],
  ] as const) {
    t.match(storeError(new Error(text), 'list /net/', 'http://a:1'), { name: 'StoreError', kind }, text);
  }
});

t.test('messages', async t => {
  const message = (text: string) => storeError(new Error(text), 'create /net/a', 'http://a:1').message;
  t.equal(
    message(noConnection('alert number 42\n (2026-11-21T09:55:45.261Z). Resolution note: ')),
    'create /net/a at http://a:1: 14 UNAVAILABLE: No connection established. Last error: alert number 42',
  );
  t.equal(
    message('Lease 5 NOT_FOUND: etcdserver: requested lease not found is expired or revoked'),
    'create /net/a at http://a:1: 5 NOT_FOUND: etcdserver: requested lease not found',
  );
  const inner = new StoreError('unavailable', 'the store was closed');
  t.match(storeError(inner, 'read /x', 'http://a:1'), {
    kind: 'unavailable',
    message: 'read /x at http://a:1: the store was closed',
    cause: inner,
  });
});
