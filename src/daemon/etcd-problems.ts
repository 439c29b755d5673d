/** Facts about etcd → problems. Pure. */
import { etcdctl, quote } from '../subnet/etcdctl.js';
import { nextEnd, type CertificateFile } from '../subnet/etcd3-credentials.js';
import type { EndpointView } from '../subnet/etcd3-store.js';
import type { StoreError } from '../subnet/store.js';
import { formatDuration } from './duration.js';
import type { Facts, ToIso } from './facts.js';
import type { AgentOptions } from './options.js';
import { problem, type ProblemCode } from './problems.js';
import type { Problem } from './status.js';

/** How long before a certificate ends it is a problem. */
const EXPIRY_NOTICE_MS = 7 * 86_400_000;

/**
 * Everything about reaching etcd and believing it.
 * @param wall now, in milliseconds since the epoch
 */
export function etcdProblems(facts: Facts, options: AgentOptions, at: ToIso, wall: number): Problem[] {
  return [
    ...connectionProblems(facts, options, at),
    ...credentialProblems(facts, options, wall),
    ...facts.endpoints.flatMap(endpoint => endpointProblems(endpoint, facts, wall)),
    ...doubtProblems(facts, options, at),
  ];
}

function connectionProblems({ connection }: Facts, options: AgentOptions, at: ToIso): Problem[] {
  if (connection === undefined) return [];
  const { connected, error } = connection;
  if (connected && error === undefined) return [];
  const since = at(connection.since);
  const words = error?.message ?? 'no answer yet';
  switch (error?.kind) {
    case 'tls': {
      const seen = connected
        ? 'etcd tells of changes, and new connections fail'
        : `no secure connection to etcd since ${since}`;
      return [etcdProblem('etcd-tls', `${seen}: ${words}`, error, options)];
    }
    case 'denied': {
      const seen = connected ? 'etcd tells of changes, and refuses lists' : `etcd refuses us since ${since}`;
      return [etcdProblem('etcd-denied', `${seen}: ${words}`, error, options)];
    }
    case 'unavailable':
    case 'invalid':
    case undefined:
      return [etcdProblem('etcd-away', `etcd has not answered since ${since}: ${words}`, error, options)];
  }
}

/** What is assumed of a failure that could not be diagnosed. */
const CAUSES = {
  'etcd-tls': 'the certificates of this host and of etcd do not fit',
  'etcd-denied': 'user, password or permissions are not right',
  'etcd-away': 'etcd is down, or the network between is',
} as const satisfies Partial<Record<ProblemCode, string>>;

/**
 * A failure to reach etcd, or to be let in, with what was found out about it.
 * @param seen what does not work, with the words of the failure
 */
export function etcdProblem(
  code: keyof typeof CAUSES,
  seen: string,
  error: StoreError | undefined,
  { etcd }: AgentOptions,
): Problem {
  const cause = error?.advice?.cause ?? CAUSES[code];
  const next = error?.advice?.next ?? `${etcdctl(etcd)} endpoint health`;
  const stays = code === 'etcd-away' ? '; the data plane stays as it is' : '';
  return problem(code, seen, `${cause}${stays}`, next);
}

function credentialProblems({ credentials }: Facts, { etcd }: AgentOptions, wall: number): Problem[] {
  if (credentials === undefined) return [];
  const { certificates, fault } = credentials;
  const problems = certificates.flatMap(certificate => expiryProblem(certificate, wall));
  if (fault !== undefined) {
    const { caFile, certFile, keyFile, passwordFile } = etcd;
    const files = [caFile, certFile, keyFile, passwordFile].filter(file => file !== undefined);
    const seen = `${fault}; what was read before stays in use`;
    const cause = 'the files are being replaced, or do not belong together';
    problems.unshift(problem('etcd-credentials', seen, cause, `ls -l ${files.map(quote).join(' ')}`));
  }
  return problems;
}

function endpointProblems(endpoint: EndpointView, { connection }: Facts, wall: number): Problem[] {
  const { url, passedOver, certificateEndsAt } = endpoint;
  const problems: Problem[] = [];
  if (certificateEndsAt !== undefined) {
    const next = `openssl s_client -connect ${new URL(url).host} </dev/null | openssl x509 -noout -dates; then renew the certificate of etcd`;
    problems.push(...ending(`the certificate of etcd at ${url}`, certificateEndsAt, next, wall));
  }
  // Without any that serves, another problem tells why.
  if (passedOver !== undefined && connection?.connected === true) {
    const { cause, next } = passedOver.advice;
    const seen = `the endpoint ${url} is passed over since ${new Date(passedOver.since).toISOString()}; another serves`;
    problems.push(problem('etcd-endpoint', seen, cause, next));
  }
  return problems;
}

function expiryProblem(certificate: CertificateFile, wall: number): Problem[] {
  const { file, role } = certificate;
  const name = role === 'client' ? `our client certificate ${file}` : `a CA in ${file}`;
  const show =
    role === 'client'
      ? `openssl x509 -in ${quote(file)} -noout -dates`
      : `openssl crl2pkcs7 -nocrl -certfile ${quote(file)} | openssl pkcs7 -print_certs -text -noout`;
  return ending(name, nextEnd(certificate, wall), `${show}; a renewed file is read again by itself`, wall);
}

function ending(name: string, end: number, next: string, wall: number): Problem[] {
  if (end - wall > EXPIRY_NOTICE_MS) return [];
  const moment = new Date(end).toISOString();
  const seen =
    end > wall
      ? `${name} ends on ${moment}, in ${formatDuration(end - wall)}`
      : `${name} has ended, on ${moment}`;
  const cause = 'it was not renewed; open connections go on, and new ones will be refused';
  return [problem('certificate-expires', seen, cause, next)];
}

function doubtProblems({ doubt, overlay }: Facts, { etcd }: AgentOptions, at: ToIso): Problem[] {
  if (doubt?.state === undefined) return [];
  const { reason, until } = doubt.state;
  const kept = overlay?.peers?.kept.size ?? 0;
  const known = kept === 0 ? '' : ` (${kept} of them)`;
  const seen = `etcd is in doubt: ${reason}; what leads to peers that it no longer lists${known} stays until ${at(until)}`;
  const cause =
    'etcd was wiped, restored or exchanged, or hosts could not reach it for longer than their leases last';
  const next = `wait until the hosts have registered again; ${etcdctl(etcd)} member list`;
  return [problem('etcd-doubt', seen, cause, next)];
}
