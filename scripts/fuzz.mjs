/** `npm run fuzz`: from a fresh clone to inputs that nobody thought of. Arguments go to `test/fuzz/main.ts`. */
import { join } from 'node:path';
import { compile, ensureNpmPackages, main, passThrough, ROOT, SetupError } from './setup.mjs';

await main(async () => {
  await ensureNpmPackages();
  const complaints = await compile('tsconfig.test.json');
  if (complaints !== '') throw new SetupError(`The build failed:\n${complaints}`);
  return passThrough([join(ROOT, '.build', 'test', 'fuzz', 'main.js'), ...process.argv.slice(2)]);
});
