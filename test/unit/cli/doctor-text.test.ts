/** What the doctor prints, to the letter. */
import t from 'tap';
import { renderDoctor } from '../../../src/cli/doctor-text.js';
import type { ToldFinding } from '../../../src/doctor/report.js';

const finding = (code: string, changes: Partial<ToldFinding> = {}): ToldFinding => ({
  code,
  severity: 'error',
  seen: `${code} is seen`,
  cause: 'a cause',
  next: 'a command',
  page: null,
  fixable: false,
  follows: [],
  ...changes,
});
const document = { version: 1, instance: 'net', findings: [], notChecked: [], checks: 24 } as const;

t.test('nothing', async t => {
  t.equal(renderDoctor(document), 'nothing found · 24 checks\n');
});

t.test('causes, what follows, and what was not looked at', async t => {
  const findings = [
    finding('underlay-down', { follows: [finding('etcd-away', { follows: [finding('agent-waits')] })] }),
    finding('rp-filter-strict', { severity: 'warning', seen: 'seen\n\x1b[2J', fixable: true }),
  ];
  const notChecked = [{ about: 'flanneld', why: 'permission denied' }];
  t.equal(
    renderDoctor({ ...document, findings, notChecked }),
    `2 found, 2 more that follow · 24 checks, 1 could not be looked at

problem underlay-down
  seen   underlay-down is seen
  cause  a cause
  next   a command
  so     etcd-away: etcd-away is seen
    so     agent-waits: agent-waits is seen

warning rp-filter-strict
  seen   seen\\x0a\\x1b[2J
  cause  a cause
  next   a command
  fix    selvedge doctor --fix does it

NOT CHECKED  WHY
flanneld     permission denied
`,
  );
});
