import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { parsePrefix } from '../../../src/address/prefix.js';
import { EnvFiles } from '../../../src/daemon/env-files.js';
import { writeFileAtomically } from '../../../src/daemon/files.js';
import type { SubnetEnv } from '../../../src/daemon/subnet-env.js';
import { recordedLog } from '../../support/recorded-log.js';
import { matchAll } from '../../support/match-all.js';

const envOf = (subnet: string): SubnetEnv => ({
  ipv4: { network: parsePrefix('10.5.0.0/16')!, subnet: parsePrefix(subnet)! },
  mtu: 1450,
  ipMasq: false,
});

function lab(directory: string) {
  const { log, lines } = recordedLog();
  const paths = {
    subnetFile: join(directory, 'subnet', 'subnet.env'),
    dockerEnvFile: join(directory, 'docker'),
    dockerOptsFile: join(directory, 'docker-opts'),
  };
  return { paths, lines, files: new EnvFiles(paths, log, writeFileAtomically) };
}

t.test('the three files are written together, and once', async t => {
  const { paths, lines, files } = lab(t.testdir());
  t.strictSame([files.writtenAt.size, files.error], [0, undefined]);
  const env = envOf('10.5.2.0/24');
  await files.write(env, 1000);
  t.match(await readFile(paths.subnetFile, 'utf8'), 'FLANNEL_SUBNET=10.5.2.1/24\nFLANNEL_MTU=1450\n');
  t.match(await readFile(paths.dockerEnvFile, 'utf8'), 'DOCKER_NETWORK_OPTIONS=" --bip=10.5.2.1/24 ');
  t.match(await readFile(paths.dockerOptsFile, 'utf8'), 'DOCKER_OPT_BIP="--bip=10.5.2.1/24"');
  await files.write(env, 2000);
  t.strictSame(new Map(files.writtenAt), new Map(Object.values(paths).map(path => [path, 1000])));
  matchAll(t, lines, [{ level: 'info', msg: /^wrote .*docker-opts, .*docker, .*subnet\.env$/ }]);

  await files.write(envOf('10.5.3.0/24'), 3000);
  t.match(await readFile(paths.subnetFile, 'utf8'), '10.5.3.1/24');
  t.equal(files.writtenAt.get(paths.subnetFile), 3000);
});

t.test('a file that somebody took away or changed is put back, and no other is touched', async t => {
  const { paths, lines, files } = lab(t.testdir());
  await files.write(envOf('10.5.2.0/24'), 1000);
  const before = await readFile(paths.dockerEnvFile, 'utf8');
  await rm(paths.dockerEnvFile);
  await writeFile(paths.subnetFile, 'FLANNEL_SUBNET=10.9.9.1/24\n');
  const { ino } = await stat(paths.dockerOptsFile);
  lines.splice(0);
  await files.write(envOf('10.5.2.0/24'), 2000);
  t.equal(await readFile(paths.dockerEnvFile, 'utf8'), before);
  t.match(await readFile(paths.subnetFile, 'utf8'), '10.5.2.1/24');
  t.equal((await stat(paths.dockerOptsFile)).ino, ino);
  t.strictSame(
    new Map(files.writtenAt),
    new Map([
      [paths.subnetFile, 2000],
      [paths.dockerEnvFile, 2000],
      [paths.dockerOptsFile, 1000],
    ]),
  );
  matchAll(t, lines, [{ msg: `wrote ${paths.dockerEnvFile}, ${paths.subnetFile}` }]);
});

t.test('of two calls at once the later one stays', async t => {
  const { paths, files } = lab(t.testdir());
  await Promise.all([files.write(envOf('10.5.2.0/24'), 1000), files.write(envOf('10.5.3.0/24'), 2000)]);
  for (const path of Object.values(paths)) t.match(await readFile(path, 'utf8'), '10.5.3.1/24');
});

t.test('a failure is kept, told once, and tried again', async t => {
  const directory = t.testdir({ subnet: 'a file where a directory should be' });
  const { paths, lines, files } = lab(directory);
  const env = envOf('10.5.2.0/24');
  await files.write(env, 1000);
  await files.write(env, 2000);
  t.match(files.error, /^cannot write .*\/subnet\.env: E(NOTDIR|EXIST)/);
  matchAll(t, lines, [{ level: 'error', msg: files.error }]);
  t.equal(lines.length, 1);
  t.equal(files.writtenAt.size, 0, 'none counts until all are there');
  t.ok(await stat(paths.dockerEnvFile), 'subnet.env comes last');

  await rm(join(directory, 'subnet'));
  await files.write(env, 3000);
  t.equal(files.error, undefined);
  t.equal(files.writtenAt.get(paths.subnetFile), 3000);
  t.match(await readFile(paths.subnetFile, 'utf8'), '10.5.2.1/24');
});

t.test('where Docker cannot be told, subnet.env does not say that all is well', async t => {
  const directory = t.testdir();
  const { paths, files } = lab(directory);
  await mkdir(paths.dockerOptsFile);
  await files.write(envOf('10.5.2.0/24'), 1000);
  t.match(files.error, /docker-opts/);
  await t.rejects(stat(paths.subnetFile), { code: 'ENOENT' });
});

t.test('that they have been tried is told, whatever came of it', async t => {
  for (const isWritable of [true, false]) {
    const directory = t.testdir();
    // Nothing can be written beneath a file.
    if (!isWritable) await writeFile(join(directory, 'subnet'), '');
    const { files } = lab(directory);
    let isTold = false;
    void files.tried.then(() => (isTold = true));
    await new Promise(resolve => setImmediate(resolve));
    t.notOk(isTold);
    await files.write(envOf('10.5.2.0/24'), 1000);
    await files.tried;
    t.equal(files.error === undefined, isWritable);
  }
});
