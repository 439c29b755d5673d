/** `npm run demo`: from a fresh clone to running hosts. Arguments go to `selvedge demo`. */
import { join } from 'node:path';
import { ensurePrograms } from './debian.mjs';
import { ensureNpmPackages, main, mustBuild, passThrough, ROOT, SetupError } from './setup.mjs';

await main(async () => {
  const args = process.argv.slice(2);
  const onlyHelp = args.includes('--help') || args.includes('-h');
  if (!onlyHelp && process.getuid() !== 0) {
    throw new SetupError('The demo makes network namespaces and so needs root: run it with sudo.');
  }
  await ensureNpmPackages();
  const missing = onlyHelp ? undefined : await ensurePrograms(['ip', 'ping', 'etcd', 'etcdctl']);
  if (missing !== undefined) throw new SetupError(missing);
  await mustBuild();
  return passThrough([join(ROOT, 'dist', 'cli', 'main.js'), 'demo', ...args]);
});
