/** `npm run picture`: makes `docs/page.png`, the README's picture of an agent's page, from a real network. */
import { join } from 'node:path';
import { ensurePrograms } from './debian.mjs';
import { ensureNpmPackages, main, mustBuild, passThrough, ROOT, SetupError } from './setup.mjs';

await main(async () => {
  if (process.getuid() !== 0) {
    throw new SetupError('The picture is of hosts in network namespaces, which need root: run it with sudo.');
  }
  await ensureNpmPackages();
  const missing = await ensurePrograms(['ip', 'ping', 'etcd', 'etcdctl', 'chromium-headless-shell']);
  if (missing !== undefined) throw new SetupError(missing);
  await mustBuild({ tests: true });
  return passThrough([
    join(ROOT, '.build', 'test', 'support', 'page-picture.js'),
    join(ROOT, 'docs', 'page.png'),
    ...process.argv.slice(2),
  ]);
});
