/** Inputs that are nearly right: real ones with a few bytes changed, cut, put in or said twice. */
import fc from 'fast-check';

/** One change to a run of bytes. Places wrap around, so that every mutation fits every input. */
type Mutation =
  | { readonly kind: 'set'; readonly at: number; readonly byte: number }
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'repeat'; readonly at: number; readonly from: number; readonly length: number };

const MOST_MUTATIONS = 6;
const place = fc.nat(4096);
/** Lengths and counts go wrong at their limits sooner than in between. */
const byte = fc.oneof(fc.constantFrom(0, 1, 3, 4, 7, 16, 0x7f, 0x80, 0xff), fc.nat(0xff));

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('set' as const), at: place, byte }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), at: place }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('insert' as const),
      at: place,
      bytes: fc.uint8Array({ maxLength: 8 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('repeat' as const),
      at: place,
      from: place,
      length: fc.nat(64),
    }),
  },
);

/** One of the inputs, with up to six changes. */
export function mutated(inputs: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.constantFrom(...inputs), fc.array(mutation, { maxLength: MOST_MUTATIONS }))
    .map(([input, mutations]) => mutations.reduce(mutate, input));
}

/** The same for text, as UTF-8; what is no UTF-8 any more is read as a store's client reads it. */
export function mutatedText(inputs: readonly string[]): fc.Arbitrary<string> {
  return mutated(inputs.map(text => Buffer.from(text))).map(bytes => Buffer.from(bytes).toString());
}

function mutate(bytes: Uint8Array, mutation: Mutation): Uint8Array {
  const wrap = (index: number) => index % (bytes.length + 1);
  const at = wrap(mutation.at);
  switch (mutation.kind) {
    case 'set':
      return at === bytes.length ? bytes : bytes.with(at, mutation.byte);
    case 'cut':
      return bytes.slice(0, at);
    case 'insert':
      return concat(bytes.subarray(0, at), mutation.bytes, bytes.subarray(at));
    case 'repeat': {
      const from = wrap(mutation.from);
      return concat(bytes.subarray(0, at), bytes.subarray(from, from + mutation.length), bytes.subarray(at));
    }
  }
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}
