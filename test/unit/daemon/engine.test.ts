/** What the engine is told must be what it knows: V8 complains of other flags on standard error, and goes on. */
import { execFileSync, spawnSync } from 'node:child_process';
import t from 'tap';

const ENGINE = new URL('../../../src/daemon/engine.js', import.meta.url).href;

t.test('this Node knows the flags', async t => {
  const script = `(await import(${JSON.stringify(ENGINE)})).tuneEngine()`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  });
  t.equal(status, 0);
  t.equal(stderr, '');
  const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
  for (const flag of ['max-inlined-bytecode-size-cumulative', 'allocation-site-pretenuring'])
    t.match(known, flag);
});
