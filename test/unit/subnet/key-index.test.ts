import t from 'tap';
import { KeyIndex } from '../../../src/subnet/key-index.js';

t.test('keys by name', async t => {
  const index = new KeyIndex();
  t.ok(index.isEmpty);
  t.strictSame(index.others('x', 'one'), []);
  index.add('x', 'one');
  index.add('x', 'one');
  index.add('x', 'two');
  index.add('y', 'three');
  t.strictSame(index.others('x', 'none'), ['one', 'two']);
  t.strictSame(index.others('x', 'one'), ['two']);
  t.strictSame(index.others('y', 'three'), []);
  t.strictSame(index.others('y', 'none'), ['three']);
  t.strictSame(
    ['x', 'y', 'z'].map(name => index.under(name)),
    [['one', 'two'], ['three'], []],
  );
  t.strictSame([...index.all()], ['one', 'two', 'three']);

  index.remove('x', 'three');
  index.remove('z', 'one');
  index.remove('x', 'one');
  index.remove('x', 'two');
  t.strictSame([...index.all()], ['three']);
  t.notOk(index.isEmpty);
  index.remove('y', 'three');
  t.ok(index.isEmpty, 'no empty set stays behind');
});
