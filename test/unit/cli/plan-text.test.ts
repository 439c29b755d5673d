/** What people read of a plan. */
import t from 'tap';
import type { Plan } from '../../../src/daemon/plan/plan.js';
import { renderPlan } from '../../../src/cli/plan-text.js';
import { healthyStatus } from '../daemon/example-status.js';

const plan = (more: Partial<Plan> = {}): Plan => ({
  changes: [],
  isComplete: true,
  status: { ...healthyStatus, problems: [], dataPlane: null },
  ...more,
});

t.test('nothing to change', async t => {
  t.equal(renderPlan(plan()), 'nothing to change: this host is as an agent wants it\n');
});

t.test('changes, and their sum', async t => {
  const changes = [
    { where: 'etcd', action: 'create', what: 'key /net/subnets/10.5.1.0-24' },
    { where: 'kernel', action: 'remove', what: 'device flannel.2' },
  ] as const;
  t.equal(
    renderPlan(plan({ changes })),
    [
      'ACTION  WHERE   WHAT',
      'create  etcd    key /net/subnets/10.5.1.0-24',
      'remove  kernel  device flannel.2',
      '',
      '2 changes: 1 to create, 1 to remove; none was made',
      '',
    ].join('\n'),
  );
});

t.test('a plan that ends early says why, and control characters do nothing', async t => {
  const problems = [
    { code: 'config-missing', severity: 'error', seen: 'no config\u001b[2J', cause: '', next: 'etcdctl put' },
  ] as const;
  const status = { ...plan().status, problems, awaiting: 'a config at /net/config' };
  const text = renderPlan(plan({ isComplete: false, status }));
  t.match(text, /^config-missing: no config.*\n {2}next: etcdctl put\n/);
  t.match(text, /an agent would wait for a config at \/net\/config\nnothing so far\n$/);
  t.notMatch(text, '\u001b');
});
