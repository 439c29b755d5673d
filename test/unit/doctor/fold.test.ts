/** What follows from what. */
import t from 'tap';
import { FINDING_CODES, type FindingCode } from '../../../src/doctor/codes.js';
import { finding } from '../../../src/doctor/finding.js';
import { fold, FOLLOWS_FROM, type FoldedFinding } from '../../../src/doctor/fold.js';

const found = (...codes: FindingCode[]) => codes.map(code => finding(code, `${code} is seen`, '', ''));

type Tree = readonly (string | readonly [string, Tree])[];

/** Codes, and in a pair with its code what follows. */
function tree(findings: readonly FoldedFinding[]): Tree {
  return findings.map(({ code, follows }) =>
    follows.length === 0 ? code : ([code, tree(follows)] as const),
  );
}

t.test('findings under their causes', async t => {
  const table: readonly (readonly [FindingCode[], Tree])[] = [
    [[], []],
    [['etcd-away'], ['etcd-away']],
    [
      ['underlay-down', 'etcd-away', 'lease-trouble', 'device-trouble'],
      [['underlay-down', [['etcd-away', ['lease-trouble']], 'device-trouble']]],
    ],
    [
      ['forwarding-off', 'docker-subnet', 'env-file'],
      ['forwarding-off', ['env-file', ['docker-subnet']]],
    ],
    [
      ['agent-waits', 'config-invalid', 'etcd-away'],
      ['config-invalid', ['etcd-away', ['agent-waits']]],
    ],
    [
      ['certificate-expires', 'certificate-expires', 'etcd-tls'],
      [['etcd-tls', ['certificate-expires', 'certificate-expires']]],
    ],
    [
      ['public-ip-shared', 'public-ip-shared', 'leases-set-aside'],
      [['public-ip-shared', ['leases-set-aside']], 'public-ip-shared'],
    ],
  ];
  for (const [codes, expected] of table) t.same(tree(fold(found(...codes))), expected, codes.join(' '));
});

t.test('whatever is found is told, and once', async t => {
  const all = fold(found(...FINDING_CODES));
  const flat = (findings: readonly FoldedFinding[]): string[] =>
    findings.flatMap(({ code, follows }) => [code, ...flat(follows)]);
  t.same(flat(all).sort(), [...FINDING_CODES].sort());
});

t.test('nothing follows from itself, by whatever way', async t => {
  const causesOf = (code: FindingCode) => FOLLOWS_FROM[code] ?? [];
  const reachable = (code: FindingCode, seen = new Set<FindingCode>()): Set<FindingCode> => {
    for (const cause of causesOf(code)) {
      if (seen.has(cause)) continue;
      seen.add(cause);
      reachable(cause, seen);
    }
    return seen;
  };
  for (const code of FINDING_CODES) t.notOk(reachable(code).has(code), code);
});
