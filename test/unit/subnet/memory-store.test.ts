import t from 'tap';
import { MemoryStore } from '../../support/memory-store.js';
import { storeContract } from '../../support/store-contract.js';

t.test('the store in memory keeps the contract', async t => {
  storeContract(t, async () => {
    let now = 0;
    const store = new MemoryStore(() => now);
    return {
      store,
      put: async (key, value) => void store.put(key, value),
      compact: async () => store.compact(),
      pass: async seconds => {
        now += seconds * 1000;
        store.tick();
      },
    };
  });
});
