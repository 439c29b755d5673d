import t from 'tap';
import { alternate, quantile, spreadOf } from '../../../bench/statistics.js';

t.test('quantiles are values that were measured', async t => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  t.equal(quantile(values, 0), 1);
  t.equal(quantile(values, 0.5), 50);
  t.equal(quantile(values, 0.99), 99);
  t.equal(quantile(values, 1), 100);
  t.equal(quantile([7], 0.5), 7);
  t.throws(() => quantile([], 0.5), RangeError);
});

t.test('a spread', async t => {
  t.same(spreadOf([3, 1, 2]), { median: 2, least: 1, most: 3, rounds: 3 });
});

t.test('contestants take turns, and one may be missing', async t => {
  const order: string[] = [];
  const contestant = (name: string) => async () => order.push(name);
  const measured = await alternate(2, { a: contestant('a'), b: contestant('b'), none: undefined });
  t.same(order, ['a', 'b', 'a', 'b']);
  t.same(measured, { a: [1, 3], b: [2, 4], none: [] });
});
