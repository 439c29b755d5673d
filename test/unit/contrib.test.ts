/** The dashboard and the alert rules ask for metrics, labels and values that the agent has. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { createMetrics } from '../../src/daemon/metrics/metrics.js';
import { METRIC_ROWS } from '../../src/daemon/metrics/rows.js';
import { lackOf } from '../../src/daemon/readiness.js';
import { sleep } from '../../src/daemon/tasks.js';
import { SubnetUsage } from '../../src/subnet/subnet-usage.js';
import { NETWORK } from '../support/dataplane.js';
import { recordedLog } from '../support/recorded-log.js';
import { probed, whole } from '../support/probed-host.js';
import { build, CLOCK, KEY_PREFIX } from '../support/status-facts.js';

const contrib = (path: string) =>
  readFileSync(fileURLToPath(new URL(`../../../contrib/${path}`, import.meta.url)), 'utf8');

interface Dashboard {
  readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[];
}

const dashboard = JSON.parse(contrib('grafana/selvedge.json')) as Dashboard;
const rules = contrib('prometheus/selvedge.rules.yml');
const expressions = [
  ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...[...rules.matchAll(/^\s+expr: (.*)$/gm)].map(match => match[1]!),
];

/** Everything that is served, as `name` and `name{label="value"}`. */
async function served(): Promise<Set<string>> {
  const { facts } = await probed(t, 1, [() => whole]);
  const range = { network: NETWORK, subnetLength: 24, subnetMin: '10.5.1.0', subnetMax: '10.5.9.0' };
  const { log } = recordedLog();
  facts.usage = new SubnetUsage({ range, keyPrefix: KEY_PREFIX, entries: () => new Map(), log, sleep });
  const lack = lackOf(facts, '/net/config', CLOCK);
  const scrape = { status: build(facts), facts, now: CLOCK.steady, lack, kernelChanges: 0 };
  const { body } = await createMetrics({ perPeer: false }).answer(scrape);
  const lines = body.split('\n').filter(line => /^[a-z]/.test(line));
  return new Set(lines.flatMap(line => [line.split(/[{ ]/, 1)[0]!, line.slice(0, line.lastIndexOf(' '))]));
}

t.test('what they name exists', async t => {
  const known = await served();
  t.ok(expressions.length > 20);
  for (const expression of expressions) {
    const names = expression.match(/\b(?:selvedge|process|nodejs)_\w+/g) ?? [];
    t.ok(names.length > 0 || expression.startsWith('up{'), expression);
    for (const name of names) t.ok(known.has(name), `${name} of ${expression}`);
    for (const [, name, label, values] of expression.matchAll(
      /(selvedge_\w+)\{[^}]*?(state|code|kind|finding)(?:=~|!~|!=|=)"([\w|-]+)"/g,
    )) {
      for (const value of values!.split('|'))
        t.ok(known.has(`${name}{${label}="${value}"}`), `${name} ${label}="${value}"`);
    }
  }
});

t.test('labels that they group by exist', async t => {
  const labels = new Set([...METRIC_ROWS.flatMap(({ label }) => label ?? []), 'le', 'instance']);
  for (const expression of expressions) {
    for (const [, group] of expression.matchAll(/\b(?:by|without|ignoring) ?\(([\w, ]+)\)/g))
      for (const label of group!.split(/, */)) t.ok(labels.has(label), `${label} of ${expression}`);
  }
});
