import { readFileSync } from 'node:fs';
import t from 'tap';
import { VERSION } from '../../../src/daemon/version.js';

t.test('the version is that of the package', async t => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  t.equal(VERSION, version);
});
