import t from 'tap';
import { readArguments } from '../../../bench/arguments.js';

const NAMES = ['cold-start', 'join'];

t.test('arguments of the bench', async t => {
  t.same(readArguments([], NAMES), {
    only: [],
    peers: undefined,
    rounds: undefined,
    json: undefined,
    help: false,
  });
  const given = ['--only', 'join', '--peers', '100,2000', '--rounds', '3', '--json', '-'];
  t.match(readArguments(given, NAMES), { only: ['join'], peers: [100, 2000], rounds: 3, json: '-' });
  for (const wrong of [
    ['--only', 'joins'],
    ['--peers', '0'],
    ['--peers', '10,x'],
    ['--peers', '60001'],
    ['--rounds', '1.5'],
    ['--wrong'],
  ]) {
    t.throws(() => readArguments(wrong, NAMES), { message: wrong[0]! }, wrong.join(' '));
  }
});
