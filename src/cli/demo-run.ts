/** How `selvedge demo` runs: hosts wired together on this machine, shown, and taken away again. */
import { Commands } from '../demo/command.js';
import { Lab } from '../demo/lab.js';
import { pingAllPairs } from '../demo/ping.js';
import { formatHosts, formatPings, formatSuggestions, type ShownHost } from './demo-report.js';

export interface DemoOptions {
  /** 2 to 20. */
  readonly hosts: number;
  readonly backend: 'vxlan' | 'host-gw';
  /** End after the pings instead of waiting for Ctrl-C. */
  readonly once: boolean;
  /** Print every command that makes the hosts. */
  readonly verbose: boolean;
  /** Gets the lines of the demo, without line ends. */
  readonly print: (line: string) => void;
}

/** Exit codes of a program that a signal ended, as shells count. */
const SIGNAL_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type Signal = keyof typeof SIGNAL_CODES;

const PROGRAMS = ['ip', 'ping', 'etcd', 'etcdctl'] as const;
const DEBIAN_PACKAGES = 'iproute2 iputils-ping etcd-server etcd-client';

/**
 * Runs the demo; whatever happens, nothing of it is left on the machine.
 * @returns the exit code: 0 when every ping was answered, 1 when not, 2 when it cannot run here, 130 or 143 when a
 *   signal ended it before its end
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const { print } = options;
  if (process.getuid?.() !== 0) {
    print('The demo makes network namespaces and so needs root: run it with sudo.');
    return 2;
  }
  const missing = await findMissingPrograms();
  if (missing.length > 0) {
    print(`The demo needs ${missing.join(', ')}. On Debian: apt-get install ${DEBIAN_PACKAGES}`);
    return 2;
  }
  const signals = listenForSignals();
  try {
    const lab = await Lab.create({ trace: options.verbose ? print : () => undefined });
    return await runInLab(lab, options, signals.first);
  } catch (error) {
    print(`The demo cannot run here: ${messageOf(error)}`);
    return 2;
  } finally {
    signals.close();
  }
}

async function runInLab(lab: Lab, options: DemoOptions, signal: Promise<Signal>): Promise<number> {
  const { print } = options;
  const interrupted = signal.then(name => SIGNAL_CODES[name]);
  try {
    const shown = showEverything(lab, options).then(passed => ({ passed }));
    const first = await Promise.race([shown, interrupted]);
    if (typeof first === 'number') return first;
    if (!options.once) {
      print('\nCtrl-C ends the demo and removes everything.');
      await signal;
    }
    return first.passed ? 0 : 1;
  } catch (error) {
    print(`\nThe demo failed: ${messageOf(error)}\n(--verbose prints every command.)`);
    return 1;
  } finally {
    print(`\nRemoving everything of ${lab.id} …`);
    await lab.dispose();
    print('Done: nothing is left.');
  }
}

async function findMissingPrograms(): Promise<readonly string[]> {
  const commands = new Commands(() => undefined);
  const missing: string[] = [];
  for (const program of PROGRAMS) {
    const { code } = await commands.run(['sh', '-c', 'command -v "$1"', 'sh', program]);
    if (code !== 0) missing.push(program);
  }
  return missing;
}

/** Everything up to the last line before the wait. @returns whether all pings were answered */
async function showEverything(lab: Lab, options: DemoOptions): Promise<boolean> {
  const { print } = options;
  print(`Selvedge demo: ${options.hosts} hosts, backend ${options.backend}.`);
  print(`All of it is in network namespaces ${lab.id}-* and in ${lab.directory}.\n`);
  const hosts = await startHosts(lab, options);

  print('');
  print(formatHosts(hosts));

  print('\nContainer to container and back, milliseconds (from row to column):');
  const pings = await pingAllPairs(lab.hosts.map(host => host.containers[0]!));
  const names = hosts.map(host => host.name);
  print(formatPings(names, pings));
  const answered = pings.flat().filter(result => result?.kind === 'answered').length;
  const total = hosts.length * (hosts.length - 1);
  print(`${answered} of ${total} pairs answered.`);

  const [first] = lab.hosts;
  print(`\nWhat Docker on ${first!.name} reads, ${first!.files.subnetEnv}:`);
  const env = await first!.waitForSubnet();
  for (const line of env.trimEnd().split('\n')) print(`  ${line}`);

  const [one, other, ...more] = hosts;
  if (!options.once) {
    const toTry = formatSuggestions([one!, other!, ...more], lab.selvedge, lab.etcd.argv([]), lab.prefix);
    print(`\n${toTry}`);
  }
  return answered === total;
}

/** Brings the lab up, a progress line per step. */
async function startHosts(lab: Lab, options: DemoOptions): Promise<readonly ShownHost[]> {
  const began = performance.now();
  const step = (text: string) => {
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    options.print(`${seconds.padStart(6)} s  ${text}`);
  };
  await lab.startEtcd();
  step(`etcd answers at ${lab.endpoint}`);
  const config = JSON.stringify({ Network: '10.5.0.0/16', Backend: { Type: options.backend } });
  await lab.setConfig(config);
  step(`${lab.prefix}/config is ${config}`);
  for (let i = 0; i < options.hosts; i++) {
    const host = await lab.addHost();
    await host.startAgent();
    step(`${host.name} has ${host.address} on the underlay, its agent runs`);
  }
  for (const host of lab.hosts) {
    await host.waitForSubnet();
    const { address } = await host.addContainer();
    step(`${host.name} has its subnet and wrote its env file; its container is ${address}`);
  }
  const shown: ShownHost[] = [];
  for (const host of lab.hosts) {
    const status = await host.waitForHealth(options.hosts - 1);
    const [container] = host.containers;
    shown.push({
      name: host.name,
      namespace: host.namespace.name,
      status,
      container: { ...container!, namespace: container!.namespace.name },
      socket: host.files.socket,
      log: host.files.log,
    });
  }
  step(`every agent is healthy and has programmed all its peers`);
  return shown;
}

/**
 * From here on SIGINT and SIGTERM no longer end this process. The first one is told through the promise; further ones
 * are ignored, so that the removal which the first one began comes to its end.
 */
function listenForSignals(): { readonly first: Promise<Signal>; close(): void } {
  let tell: (signal: Signal) => void = () => undefined;
  const first = new Promise<Signal>(resolve => (tell = resolve));
  const listener = (signal: NodeJS.Signals) => tell(signal as Signal);
  process.on('SIGINT', listener).on('SIGTERM', listener);
  return { first, close: () => process.off('SIGINT', listener).off('SIGTERM', listener) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
