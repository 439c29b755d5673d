/** Burst: many peers join at once, against what the writing to etcd alone takes. */
import { startHost, waitForPeers } from './agent-lab.js';
import type { Bench, BenchOptions, Table } from './bench.js';
import { formatSpread } from './format.js';
import { runInside, withLab } from './lab.js';
import { spreadOf, type Spread } from './statistics.js';

const JOINS = 1_000;
const MALFORMED = 10;
const PEERS_BEFORE = 10;
const ROUNDS = 5;

/** Milliseconds from the first put. */
export interface BurstData {
  readonly joins: number;
  /** Of these, leases that no host can read. */
  readonly malformed: number;
  /** To etcd's last answer. */
  readonly puts: Spread;
  /** To the last entry in the kernel. */
  readonly total: Spread;
  /** The difference of the two, round by round. */
  readonly behind: Spread;
}

export const burst: Bench<BurstData> = {
  name: 'burst',
  title: `${JOINS} peers join at once, ${MALFORMED} of them malformed, milliseconds: median (least–most)`,
  run,
  table,
};

async function run({ rounds = ROUNDS, progress }: BenchOptions): Promise<BurstData> {
  progress(`burst: ${rounds} rounds`);
  return withLab(async lab => {
    const host = await startHost(lab, PEERS_BEFORE);
    const answers = [];
    for (let round = 0, first = PEERS_BEFORE + 1; round < rounds; round++, first += JOINS) {
      answers.push(
        await runInside(lab, host.namespace, 'burst', {
          endpoint: lab.endpoint,
          peers: { first, last: first + JOINS - 1 },
          malformedEvery: JOINS / MALFORMED,
        }),
      );
      const { setAside } = await waitForPeers(lab, host, PEERS_BEFORE + (round + 1) * (JOINS - MALFORMED));
      const refused = (round + 1) * MALFORMED;
      if (setAside.length !== refused) throw new Error(`${setAside.length} leases set aside, not ${refused}`);
    }
    return {
      joins: JOINS,
      malformed: MALFORMED,
      puts: spreadOf(answers.map(({ putsMs }) => putsMs)),
      total: spreadOf(answers.map(({ totalMs }) => totalMs)),
      behind: spreadOf(answers.map(({ putsMs, totalMs }) => totalMs - putsMs)),
    };
  });
}

function table({ puts, total, behind }: BurstData): Table {
  return {
    header: ['PUTS ALONE', 'TO THE LAST ENTRY', 'BEHIND ETCD'],
    rows: [[puts, total, behind].map(formatSpread)],
    remarks: [],
  };
}
