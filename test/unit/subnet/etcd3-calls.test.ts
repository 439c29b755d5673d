import t from 'tap';
import { Calls } from '../../../src/subnet/etcd3-calls.js';
import { createEndpoints, Endpoints } from '../../../src/subnet/etcd3-endpoints.js';
import { StoreError } from '../../../src/subnet/store.js';

/** Endpoints at which nothing listens. */
function endpointsOf(...urls: string[]): Endpoints {
  const nobody = {
    ca: undefined,
    caEnds: [],
    client: undefined,
    clientEndsAt: undefined,
    password: undefined,
  };
  return new Endpoints(createEndpoints(urls, { credentials: nobody, user: undefined }, 1_000), () => 0);
}

t.test('only what etcd and gRPC throw is trouble with the store', async t => {
  const calls = new Calls(endpointsOf('http://127.0.0.1:1'), Math.random, async error => error);
  t.teardown(() => calls.close());
  const thrown = (error: Error) =>
    calls
      .once('read /x', () => Promise.reject(error))
      .then(
        () => undefined,
        (each: unknown) => each,
      );

  for (const [error, kind] of [
    [new Error('14 UNAVAILABLE: No connection established'), 'unavailable'],
    [new Error('Lease 5 NOT_FOUND: etcdserver: requested lease not found is expired or revoked'), 'invalid'],
    [new Error('rpc error: code = PermissionDenied desc = etcdserver: permission denied'), 'denied'],
    [new StoreError('unavailable', 'etcd ended the watch stream'), 'unavailable'],
  ] as const) {
    t.match(await thrown(error), { name: 'StoreError', kind, cause: error }, error.message);
  }
  for (const bug of [
    new TypeError("Cannot read properties of undefined (reading 'kvs')"),
    new Error('odd'),
  ]) {
    t.equal(await thrown(bug), bug);
    await t.rejects(calls.failed(bug, 'watch /x', calls.endpoints.current), bug);
  }
});
