import fc from 'fast-check';
import t from 'tap';
import { z } from 'zod';
import { flag, ipAddress, jsonObject, network, wholeNumber } from '../../../src/schema/fields.js';
import { formatFault, readGoObject } from '../../../src/schema/go-json.js';

const shape = {
  Name: z.string({ error: 'must be a string' }),
  SubnetLen: wholeNumber(1, 30).optional(),
  On: flag.default(true),
};

t.test('keys are read in any case, null is as if missing, unknown keys are told', async t => {
  t.strictSame(readGoObject(shape, { NAME: 'a', subnetlen: 24, on: null }), {
    fields: { Name: 'a', SubnetLen: 24, On: true },
    faults: [],
    unknown: [],
    nulls: ['On'],
  });
  const { fields, unknown } = readGoObject(shape, { name: 'a', Color: 1, 'Sub.Net': 2 }, 'Backend.');
  t.strictSame(fields, { Name: 'a', SubnetLen: undefined, On: true });
  t.strictSame(unknown, ['Backend.Color', 'Backend.Sub.Net']);
});

t.test('of a key that is there twice the last counts, null apart', async t => {
  t.equal(readGoObject(shape, JSON.parse('{"Name":"a","name":"b"}')).fields.Name, 'b');
  t.equal(readGoObject(shape, JSON.parse('{"Name":"a","name":null}')).fields.Name, 'a');
});

t.test('all faults are told, in the order of the shape, and sound fields kept', async t => {
  const { fields, faults } = readGoObject(shape, { On: 'yes', SubnetLen: 31 }, 'Backend.');
  t.strictSame(faults, [
    { field: 'Backend.Name', value: undefined, rule: 'must be a string' },
    { field: 'Backend.SubnetLen', value: 31, rule: 'must be a whole number between 1 and 30' },
    { field: 'Backend.On', value: 'yes', rule: 'must be true or false' },
  ]);
  t.strictSame(fields, {});
});

t.test('what is no object', async t => {
  for (const json of [null, undefined, true, 0, 'text', [], [{}]]) {
    const { faults, ...rest } = readGoObject(shape, json, 'Backend.');
    t.strictSame(faults, [{ field: 'Backend', value: json, rule: 'must be a JSON object' }]);
    t.strictSame(rest, { fields: {}, unknown: [], nulls: [] });
  }
});

t.test('keys that are names of Object.prototype are unknown keys like any other', async t => {
  const text = '{"Name":"a","__proto__":{"On":false},"constructor":{},"toString":1,"hasOwnProperty":2}';
  const { fields, unknown } = readGoObject(shape, JSON.parse(text));
  t.strictSame(fields, { Name: 'a', SubnetLen: undefined, On: true });
  t.strictSame(unknown, ['__proto__', 'constructor', 'toString', 'hasOwnProperty']);
  t.equal(Object.getPrototypeOf(fields), Object.prototype);
  t.equal(({} as Record<string, unknown>).On, undefined);
});

t.test('null is told, whatever else the key is given', async t => {
  for (const text of ['{"on":null,"On":true}', '{"On":true,"ON":null}'])
    t.match(readGoObject(shape, JSON.parse(text)), { fields: { On: true }, nulls: ['On'] }, text);
});

t.test('what was read before changes nothing', async t => {
  const value = fc.oneof(fc.constantFrom<unknown>(null, 0, -0, 24, 31, 'a', true, [], {}), fc.jsonValue());
  const keys = fc.constantFrom('Name', 'name', 'SubnetLen', 'On');
  const json = fc.dictionary(keys, value, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(json, { maxLength: 5 }), documents => {
      for (const document of documents)
        t.strictSame(readGoObject(shape, document), readGoObject({ ...shape }, document));
    }),
  );
});

t.test('any JSON is read without an exception, and every fault is one line', async t => {
  const keys = fc.constantFrom('Name', 'name', 'SUBNETLEN', 'On', '__proto__', 'other');
  const json = fc.oneof(fc.jsonValue(), fc.dictionary(keys, fc.jsonValue()));
  fc.assert(
    fc.property(json, value => {
      const { faults } = readGoObject(shape, JSON.parse(JSON.stringify(value)));
      for (const fault of faults) {
        const line = formatFault(fault);
        t.notMatch(line, /\n/);
        t.ok(line.includes(fault.rule));
      }
    }),
  );
});

t.test('a fault in words', async t => {
  const rule = 'must be a number';
  t.equal(
    formatFault({ field: 'Backend.VNI', value: 'x\n"y"', rule }),
    'Backend.VNI: "x\\n\\"y\\"" must be a number',
  );
  t.equal(formatFault({ field: 'Network', value: undefined, rule: 'is missing' }), 'Network: is missing');
  t.equal(
    formatFault({ field: '', value: [1], rule: 'must be an object' }),
    'document: an array must be an object',
  );
  t.equal(formatFault({ field: 'VNI', value: {}, rule }), 'VNI: an object must be a number');
  const deep: unknown = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000));
  t.equal(formatFault({ field: 'VNI', value: deep, rule }), 'VNI: an array must be a number', 'however deep');
  const long = formatFault({ field: 'Network', value: 'x'.repeat(1000), rule });
  t.equal(long, `Network: "${'x'.repeat(56)}... must be a number`);
});

t.test('fields', async t => {
  const cases: readonly (readonly [type: z.ZodType, right: readonly unknown[], wrong: readonly unknown[]])[] =
    [
      [flag, [true, false], ['true', 1, 0]],
      [wholeNumber(0, 65535), [0, 65535], [-1, 65536, 1.5, '1', Infinity, NaN, 1e30, true]],
      [ipAddress(4), ['10.5.0.1'], ['::1', '::ffff:1.2.3.4', '10.5.0', '', 10, '10.5.0.1/24', '010.5.0.1']],
      [ipAddress(6), ['fd00::1'], ['10.5.0.1', 'fd00::1%eth0', '']],
      [network(4), ['10.5.0.0/16'], ['10.5.0.0', 'fd00::/48', '10.5.0.0/33', 16]],
      [network(6), ['fd00::/48'], ['10.5.0.0/16', 'fd00::', 'fd00::/129']],
      [jsonObject, [{}, { a: 1 }], [[], 'text', 1]],
    ];
  for (const [type, right, wrong] of cases) {
    for (const value of right) t.ok(type.safeParse(value).success, JSON.stringify(value));
    for (const value of wrong) {
      const { error } = type.safeParse(value);
      t.equal(error?.issues.length, 1, `one rule for ${JSON.stringify(value)}`);
      t.match(error?.issues[0]?.message, /^must be /);
    }
  }
  t.equal(ipAddress(6).parse('FD00:0::1'), 'fd00::1');
  t.strictSame(network(4).parse('10.5.9.9/16'), { family: 4, address: '10.5.0.0', length: 16 });
});
