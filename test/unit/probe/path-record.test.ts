/** What answers and losses come to. */
import t from 'tap';
import { isUnsettled, lossPercent, UNTESTED, withAnswer, withLoss } from '../../../src/probe/path-record.js';

/** @param outcomes `+` answered after 8 ms, `-` lost */
const after = (outcomes: string) =>
  Array.from(outcomes).reduce(
    (record, outcome, i) => (outcome === '+' ? withAnswer(record, 8, i) : withLoss(record)),
    UNTESTED,
  );

t.test('the word', async t => {
  const cases: readonly (readonly [outcomes: string, word: string, unsettled: boolean])[] = [
    ['', 'untested', true],
    ['+', 'answers', false],
    ['-', 'untested', true],
    ['--+', 'answers', false],
    ['---', 'never', false],
    ['---+', 'answers', false],
    ['+-', 'answers', true],
    ['+--', 'answers', true],
    ['+--+', 'answers', false],
    ['+---', 'silent', false],
    ['+---+', 'silent', true],
    ['+---+-', 'silent', false],
    ['+---++', 'answers', false],
  ];
  for (const [outcomes, word, unsettled] of cases) {
    const record = after(outcomes);
    t.equal(record.word, word, `${outcomes} is ${word}`);
    t.equal(isUnsettled(record), unsettled, `${outcomes} ${unsettled ? 'asks' : 'does not ask'} for more`);
  }
});

t.test('loss is of the latest 20', async t => {
  t.equal(lossPercent(after('')), undefined);
  t.equal(lossPercent(after('+++-')), 25);
  t.equal(lossPercent(after('-'.repeat(10) + '+'.repeat(15))), 25);
  t.equal(lossPercent(after('-'.repeat(40))), 100);
});

t.test('the round-trip time follows slowly', async t => {
  t.equal(after('+').rttMs, 8);
  t.equal(withAnswer(after('++-'), 16, 9).rttMs, 9);
  t.equal(withAnswer(after('+'), 5, 9).rttMs, 5, 'at first the quickest counts');
  t.equal(withAnswer(after('+'), 16, 9).rttMs, 8);
  t.equal(withLoss(after('+')).answeredAt, 0, 'a loss takes nothing away');
});
