/** Programs that the demo, the tests and the benches need, and their Debian packages. */
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { run, say } from './setup.mjs';

/** Package and purpose by program. */
const PROGRAMS = {
  ip: { package: 'iproute2', why: 'makes the hosts: network namespaces, links, routes' },
  bridge: { package: 'iproute2', why: 'reads forwarding entries' },
  ethtool: { package: 'ethtool', why: 'reads the offloads of devices' },
  nft: { package: 'nftables', why: 'translates addresses' },
  'iptables-legacy': { package: 'iptables', why: 'is what Docker writes its rules with, in both variants' },
  ping: { package: 'iputils-ping', why: 'shows that containers reach each other' },
  iperf3: { package: 'iperf3', why: 'measures throughput' },
  cc: { package: 'gcc', why: 'builds the C reference of the benches' },
  'systemd-analyze': { package: 'systemd', why: 'judges the units' },
  'systemd-nspawn': { package: 'systemd-container', why: 'boots a systemd for each host' },
  dockerd: { package: 'docker.io', why: 'makes real containers' },
  busybox: { package: 'busybox-static', why: 'is what runs in them' },
  etcd: { package: 'etcd-server', why: 'the store' },
  promtool: { package: 'prometheus', why: 'checks metrics and alert rules' },
  'chromium-headless-shell': { package: 'chromium-headless-shell', why: 'looks at the page of an agent' },
  etcdctl: { package: 'etcd-client', why: 'writes the configuration and reads leases' },
};

/** Services that come with a package; every lab starts what it needs by itself. */
const SERVICES = {
  'etcd-server': ['etcd.service'],
  prometheus: ['prometheus.service'],
  'docker.io': ['docker.service', 'docker.socket'],
};

/** sbin is not in everybody's PATH. */
const PATH = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`;

/**
 * Installs the packages of those programs that are missing, with apt-get, and says so.
 * @param {readonly (keyof typeof PROGRAMS)[]} programs
 * @returns {Promise<string | undefined>} why they could not be installed, in one line; undefined when all are there
 */
export async function ensurePrograms(programs) {
  const missing = programs.filter(program => !isInstalled(program));
  if (missing.length === 0) return undefined;
  const packages = [...new Set(missing.map(program => PROGRAMS[program].package))];
  const byHand = `apt-get install ${packages.join(' ')}`;
  if (!isInstalled('apt-get')) return `missing: ${missing.join(', ')} (Debian: ${byHand})`;
  if (process.getuid() !== 0) return `missing: ${missing.join(', ')}; install as root: ${byHand}`;
  say(`Installing Debian packages with apt-get: ${packages.join(', ')}.`);
  for (const program of missing) say(`  ${program}: ${PROGRAMS[program].why} (${PROGRAMS[program].package})`);
  const failure = await withoutStartingServices(() => install(packages));
  if (failure !== undefined) return failure;
  for (const service of packages.flatMap(name => SERVICES[name] ?? [])) await disableService(service);
  const still = missing.filter(program => !isInstalled(program));
  return still.length === 0 ? undefined : `still missing after ${byHand}: ${still.join(', ')}`;
}

function isInstalled(program) {
  return PATH.split(':').some(directory => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return directory !== '';
    } catch {
      return false;
    }
  });
}

/** @returns {Promise<string | undefined>} what failed */
async function install(packages) {
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...packages]]) {
    const { code, output } = await aptGet(args);
    if (code !== 0) {
      return `apt-get ${args.join(' ')} failed with exit code ${code}:\n${output.trimEnd()}`;
    }
  }
  return undefined;
}

/** A machine that has just been set up often installs something by itself: apt-get is waited for if another runs. */
const LOCK_SECONDS = 300;
/** In the environment of our own apt-get. */
const OURS = 'SELVEDGE_SETUP';

async function aptGet(args) {
  const env = { ...process.env, PATH, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive', [OURS]: '1' };
  const deadline = Date.now() + LOCK_SECONDS * 1000;
  for (;;) {
    const argv = ['apt-get', '-o', `DPkg::Lock::Timeout=${LOCK_SECONDS}`, ...args];
    const result = await run(argv, { env, quiet: true });
    // The option is heeded by install and not by update.
    const isLocked = result.code !== 0 && result.output.includes('Could not get lock');
    if (!isLocked || Date.now() > deadline) return result;
    await setTimeout(1000);
  }
}

/**
 * Debian starts a service as soon as its package is installed, unless this file says no: we want the program and
 * not a server on the machine's own ports. What others install at the same time starts as ever. A policy that is there
 * already is the administrator's and stays.
 */
async function withoutStartingServices(body) {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) return body();
  // Ctrl-C ends apt-get, which it reaches as well; the file must not stay because it ended us.
  const outlive = () => undefined;
  process.on('SIGINT', outlive).on('SIGTERM', outlive);
  writeFileSync(policy, `#!/bin/sh\n[ -z "$${OURS}" ] || exit 101\n`, { mode: 0o755 });
  try {
    return await body();
  } finally {
    rmSync(policy, { force: true });
    process.off('SIGINT', outlive).off('SIGTERM', outlive);
  }
}

/** And it would start it at the next boot. */
async function disableService(service) {
  const { code } = await run(['systemctl', 'disable', service], { quiet: true });
  if (code === 0)
    say(`  The service ${service} is left stopped and disabled: every lab starts what it needs.`);
}
