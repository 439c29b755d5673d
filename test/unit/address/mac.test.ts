import fc from 'fast-check';
import t from 'tap';
import {
  localMac,
  macFromBytes,
  macToBytes,
  macToNumber,
  notADeviceMac,
  parseMac,
} from '../../../src/address/mac.js';

const sixBytes = fc.uint8Array({ minLength: 6, maxLength: 6 });

t.test('three ways of writing, one text', async t => {
  for (const text of [
    'c6:d2:32:6f:8f:44',
    'C6:D2:32:6F:8F:44',
    'c6-d2-32-6f-8f-44',
    'c6d2.326f.8f44',
    'C6D2.326F.8F44',
  ]) {
    t.equal(parseMac(text), 'c6:d2:32:6f:8f:44', text);
  }
});

t.test('what is no MAC', async t => {
  for (const text of [
    ...['', 'c6:d2:32:6f:8f', 'c6:d2:32:6f:8f:44:55', 'c6:d2:32:6f:8f:4', 'c6:d2:32:6f:8f:4g'],
    ...['c6:d2-32:6f:8f:44', 'c6d2326f8f44', 'c6d2:326f:8f44', ' c6:d2:32:6f:8f:44', 'c6:d2:32:6f:8f:44\n'],
    ...['c6.d2.32.6f.8f.44', '02:00:5e:10:00:00:00:01', '0:1:2:3:4:5'],
  ]) {
    t.equal(parseMac(text), undefined, JSON.stringify(text));
  }
});

t.test('bytes and text go back and forth', async t => {
  fc.assert(
    fc.property(sixBytes, bytes => {
      const text = macFromBytes(bytes);
      t.equal(parseMac(text), text);
      t.equal(parseMac(text.toUpperCase().replaceAll(':', '-')), text);
      t.strictSame([...macToBytes(text)], [...bytes]);
      t.equal(macToNumber(text), Buffer.from(bytes).readUIntBE(0, 6));
    }),
  );
  t.throws(() => macFromBytes(new Uint8Array(5)), RangeError);
  t.throws(() => macFromBytes(new Uint8Array(8)), RangeError);
});

t.test('which MACs no device can have', async t => {
  t.equal(notADeviceMac('00:00:00:00:00:00'), 'all zero');
  t.equal(notADeviceMac('ff:ff:ff:ff:ff:ff'), 'multicast');
  t.equal(notADeviceMac('01:00:5e:00:00:01'), 'multicast');
  t.equal(notADeviceMac('00:00:00:00:00:01'), undefined);
  t.equal(notADeviceMac('02:00:00:00:00:00'), undefined);
});

t.test('a MAC of our own drawing is local, unicast, and else as random as its bytes', async t => {
  fc.assert(
    fc.property(sixBytes, bytes => {
      const before = [...bytes];
      const made = macToBytes(localMac(bytes));
      t.equal(made[0]! & 0b11, 0b10);
      t.strictSame([made[0]! & 0xfc, ...made.slice(1)], [before[0]! & 0xfc, ...before.slice(1)]);
      t.equal(notADeviceMac(macFromBytes(made)), undefined);
      t.strictSame([...bytes], before, 'the argument is left alone');
    }),
  );
});
