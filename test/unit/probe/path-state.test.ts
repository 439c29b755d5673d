/** What two paths say together: the whole table. */
import t from 'tap';
import type { Word } from '../../../src/probe/path-record.js';
import { judgePeer, type PeerState } from '../../../src/probe/path-state.js';

const WORDS: readonly Word[] = ['answers', 'silent', 'never', 'untested'];
const STATES: Readonly<Record<string, PeerState>> = {
  ...{ R: 'reachable', U: 'unreachable', B: 'overlay-blocked', '?': 'unknown' },
};

/** Rows are the underlay's word, columns the overlay's, both in the order of `WORDS`. */
const TUNNEL = ['R B B ?', 'R U U ?', 'R U ? ?', 'R ? ? ?'];
/** Without a tunnel there may be no address in the overlay: it is the underlay that counts. */
const NO_TUNNEL = ['R R R R', 'R U U U', 'R ? ? ?', 'R ? ? ?'];

for (const [isTunnel, table] of [
  [true, TUNNEL],
  [false, NO_TUNNEL],
] as const) {
  t.test(isTunnel ? 'by a tunnel' : 'without a tunnel', async t => {
    for (const [row, underlay] of WORDS.entries()) {
      for (const [column, overlay] of WORDS.entries()) {
        const expected = STATES[table[row]!.split(' ')[column]!];
        t.equal(
          judgePeer({ underlay, overlay, isTunnel }),
          expected,
          `underlay ${underlay}, overlay ${overlay}`,
        );
      }
    }
  });
}
