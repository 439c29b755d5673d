import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import t from 'tap';
import { createEtcd3Store } from '../../src/subnet/etcd3-store.js';
import { needsEtcd, startEtcd } from '../support/etcd.js';
import { storeContract } from '../support/store-contract.js';

t.test('the store on etcd keeps the contract', needsEtcd(), async t => {
  const etcd = await startEtcd();
  t.teardown(() => etcd.destroy());
  const store = createEtcd3Store({
    endpoints: [etcd.url],
    requestTimeoutMs: 30_000,
    log: pino({ level: 'silent' }),
  });
  t.teardown(() => store.close());
  const under = {
    store,
    put: async (key: string, value: string) => {
      await etcd.etcdctl('put', key, value);
    },
    compact: async () => {
      const { revision } = await store.list('/contract', new AbortController().signal);
      await etcd.etcdctl('compact', revision.toString());
    },
    pass: (seconds: number) => delay(seconds * 1000),
  };
  storeContract(t, async () => under);
});
