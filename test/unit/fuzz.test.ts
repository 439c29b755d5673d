/** The fuzzer itself: it finds what is wrong, says how to see it again, and comes to an end. */
import t from 'tap';
import fc from 'fast-check';
import { fuzz } from '../fuzz/fuzz.js';
import { mutated, mutatedText } from '../fuzz/mutations.js';
import { TARGETS } from '../fuzz/targets.js';

/** A decoder that trusts the length in its first byte. */
const TRUSTING = {
  name: 'trusting',
  property: fc.property(mutated([Uint8Array.of(3, 1, 2)]), bytes => {
    if ((bytes[0] ?? 0) > bytes.length) throw new RangeError(`length ${bytes[0]}`);
  }),
};

t.test('every target bears some thousand inputs', async t => {
  for (const target of TARGETS) {
    const { inputs, fault } = await fuzz(target, { runs: 1_000, seed: 42 });
    t.equal(fault, undefined, target.name);
    t.equal(inputs, 1_000);
  }
});

t.test('a fault is found, made small, and shown again by its seed and path', async t => {
  const { fault } = await fuzz(TRUSTING, { runs: 1_000, seed: 7 });
  t.match(fault, { seed: 7, input: /^\["[0-9a-f]*"\]$/, error: /^RangeError: length \d+\n +at / });
  const again = await fuzz(TRUSTING, { runs: 1, seed: 7, path: fault!.path });
  t.equal(again.fault?.input, fault!.input);
  t.equal(again.inputs, 1);
});

t.test('it ends when its time is up', async t => {
  const { inputs, fault } = await fuzz(
    { name: 'sound', property: fc.property(mutatedText(['text']), () => true) },
    { forMs: 20, seed: 1 },
  );
  t.equal(fault, undefined);
  t.ok(inputs < Number.MAX_SAFE_INTEGER);
});
