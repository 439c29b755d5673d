/** `npm run bench`: from a fresh clone to figures. Arguments go to `bench/main.ts`. */
import { join } from 'node:path';
import { ensurePrograms } from './debian.mjs';
import { ensureNpmPackages, main, mustBuild, passThrough, ROOT, say, SetupError } from './setup.mjs';

await main(async () => {
  const args = process.argv.slice(2);
  const onlyHelp = args.includes('--help') || args.includes('-h');
  if (!onlyHelp && process.getuid() !== 0) {
    throw new SetupError('The benches make network namespaces and so need root: run them with sudo.');
  }
  await ensureNpmPackages();
  if (!onlyHelp) {
    const missing = await ensurePrograms(['ip', 'bridge', 'ping', 'etcd', 'etcdctl']);
    if (missing !== undefined) throw new SetupError(missing);
    // Without these some figures are left out, and say why.
    const noCompiler = await ensurePrograms(['cc']);
    if (noCompiler !== undefined) say(`There will be no C reference: ${noCompiler}`);
    const noIperf = await ensurePrograms(['iperf3']);
    if (noIperf !== undefined) say(`There will be no throughput: ${noIperf}`);
  }
  await mustBuild({ tests: true });
  return passThrough([join(ROOT, '.build', 'bench', 'main.js'), ...args]);
});
