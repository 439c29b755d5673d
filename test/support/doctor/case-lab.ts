/** A lab in which one thing after the other is broken and mended: what each host and the doctor say of it. */
import type { Test } from 'tap';
import { renderDoctor } from '../../../src/cli/doctor-text.js';
import { agentArgv } from '../../../src/demo/agent.js';
import type { Host } from '../../../src/demo/host.js';
import type { Lab } from '../../../src/demo/lab.js';
import type { DoctorDocument, ToldFinding } from '../../../src/doctor/report.js';
import { Child } from '../child.js';
import { hostOf, startCluster } from '../cluster.js';
import { SELVEDGE } from '../lab.js';
import type { LookRequest } from './doctor-end.js';

export const HEALTH_PORT = '9808';

/** Of the machine around the lab, whose files every host shares: no fault of a host. */
const AROUND = new Set(['networkd-removes-routes', 'network-manager', 'legacy-tables-hidden']);

export interface CaseLab {
  readonly lab: Lab;
  /** The one on which things are broken. */
  readonly host: Host;
  readonly others: readonly Host[];
  /** A doctor that stays on it: nearly all of what a command costs is the start of its Node. */
  readonly doctor: Child<LookRequest, DoctorDocument>;
}

/** Three hosts that are well. @param agentOptions more than the health port */
export async function startCaseLab(t: Test, agentOptions: readonly string[] = []): Promise<CaseLab> {
  const options = ['--healthz-port', HEALTH_PORT, ...agentOptions];
  const lab = await startCluster(t, { hosts: 3, agentOptions: options });
  const host = hostOf(lab, 1);
  const program = new URL('doctor-end.js', import.meta.url);
  const { child: doctor } = await Child.start<LookRequest, DoctorDocument>(
    host.namespace,
    program,
    doctorOptions(lab, host),
  );
  t.teardown(() => doctor.kill());
  const at = { lab, host, others: [hostOf(lab, 2), hostOf(lab, 3)], doctor };
  // Whether the machine has loaded br_netfilter is no concern of the cases.
  const path = '/proc/sys/net/bridge/bridge-nf-call-iptables';
  await sh(at, at.host, `if [ -e ${path} ]; then echo 0 > ${path}; fi`);
  return at;
}

/** Those of the host's agent. */
function doctorOptions(lab: Lab, host: Host): readonly string[] {
  return agentArgv([], { endpoint: lab.endpoint, prefix: lab.prefix }, host.files).slice(1);
}

/** Runs `selvedge doctor` on the host with the options of its agent, and more. */
export async function runDoctor(
  { lab, host }: CaseLab,
  more: readonly string[] = [],
  environment: readonly string[] = [],
): Promise<DoctorDocument> {
  const command = [...SELVEDGE, 'doctor', ...doctorOptions(lab, host), ...more, '-o', 'json'];
  const { code, stdout, stderr } = await host.namespace.exec(['env', ...environment, ...command]);
  const isTold = more.some(
    (word, i) => more[i - 1] === '--etcd-password' && (stdout + stderr).includes(word),
  );
  if (isTold) throw new Error('the password is told');
  const document = parse(stdout) ?? { findings: [] };
  if (code !== (document.findings.length === 0 ? 0 : 1))
    throw new Error(`doctor: exit code ${code}: ${stderr}`);
  return ofTheHost(document as DoctorDocument);
}

function ofTheHost(document: DoctorDocument): DoctorDocument {
  return { ...document, findings: document.findings.filter(({ code }) => !AROUND.has(code)) };
}

function parse(stdout: string): DoctorDocument | undefined {
  return stdout === '' ? undefined : (JSON.parse(stdout) as DoctorDocument);
}

/** The codes of causes in their order; what follows is in brackets behind: `etcd-away (lease-trouble)`. */
export function codesOf(findings: readonly ToldFinding[]): string[] {
  return findings.map(({ code, follows }) =>
    follows.length === 0 ? code : `${code} (${codesOf(follows).join(' ')})`,
  );
}

/** The codes of its problems. */
export async function problemsOf(host: Host): Promise<readonly string[] | undefined> {
  const status = await host.status();
  return status?.problems.map(({ code }) => code);
}

const FETCH = `fetch(process.argv[1]).then(async answer => process.stdout.write(await answer.text()))`;

/** The value of a series of the host's metrics; undefined when there is none. */
export async function metricOf(host: Host, series: string): Promise<string | undefined> {
  const url = `http://127.0.0.1:${HEALTH_PORT}/metrics`;
  const { stdout } = await host.namespace.exec([process.execPath, '--eval', FETCH, url]);
  const line = stdout.split('\n').find(each => each.startsWith(`${series} `));
  return line?.slice(series.length + 1);
}

/** Runs a shell line in the host's namespace. @throws Error when it fails */
export async function sh({ lab }: CaseLab, host: Host, line: string): Promise<void> {
  await lab.commands.must(host.namespace.argv(['sh', '-ec', line]));
}

/** Makes the agent look at everything: it puts a route back that is gone, and looks around. */
export async function makeLook(at: CaseLab): Promise<void> {
  const [route] = await at.host.namespace.ipJson('route', 'show', 'proto', '83');
  await at.host.namespace.ip('route', 'delete', String(route!.dst), 'proto', '83');
}

/** Ends the agent, if it runs, and starts it with more options. */
export async function restartAgent(host: Host, more: readonly string[] = []): Promise<void> {
  if (host.agent?.code === undefined) await host.stopAgent();
  await host.startAgent(['--healthz-port', HEALTH_PORT, ...more]);
}

/** Waits until a host is healthy with all its peers and has no problem. */
export async function waitForWell({ lab }: CaseLab, host: Host): Promise<void> {
  await lab.waitFor({
    what: `${host.name} to be well`,
    read: () => host.status(),
    until: status =>
      status?.verdict === 'healthy' && status.problems.length === 0 && status.peers.length >= 2,
  });
}

/** Waits until the doctor finds just this: the one that stays, or the command with more options. */
export async function waitForDoctor(
  at: CaseLab,
  expected: readonly string[],
  more?: readonly string[],
): Promise<void> {
  let last: DoctorDocument | undefined;
  const look = async () => (more === undefined ? ofTheHost(await at.doctor.ask({})) : runDoctor(at, more));
  try {
    await at.lab.waitFor({
      what: `the doctor on ${at.host.name} to find ${expected.join(', ') || 'nothing'}`,
      read: async () => codesOf((last = await look()).findings),
      until: codes =>
        codes.length === expected.length && codes.every((code, i) => matches(code, expected[i]!)),
    });
  } catch (error) {
    throw new Error(`${String(error)}\n${last === undefined ? '' : renderDoctor(last)}`, { cause: error });
  }
}

/** An expectation without brackets takes whatever follows. */
function matches(code: string, expected: string): boolean {
  return code === expected || (!expected.includes('(') && code.startsWith(`${expected} (`));
}
