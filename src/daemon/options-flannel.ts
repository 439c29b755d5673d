/**
 * flanneld's options that we don't have, each with what becomes of it. Pure.
 *
 * A unit file written for flanneld should start our agent wherever that loses nothing, and must not start it where the
 * operator would believe in something that nobody does. So an option is ignored with a note, or refused by name.
 */
import { parseGoBoolean } from './options-values.js';

export interface FlannelOption {
  readonly kind: 'value' | 'switch';
  readonly verdict: 'ignored' | 'refused';
  /** The value that asks for nothing (mostly flannel's default): nothing is said about it. */
  readonly harmless?: string;
  /** Why ignoring it loses nothing, or what is missing. */
  readonly why: string;
}

const KUBE = 'it has no effect without --kube-subnet-mgr';
const LOGGING = 'use --log-level';

export const FLANNEL_OPTIONS: Readonly<Record<string, FlannelOption>> = {
  'public-ipv6': { kind: 'value', verdict: 'refused', why: 'IPv6 underlays are not built' },
  'ip-blackhole-route': {
    kind: 'switch',
    verdict: 'refused',
    harmless: 'false',
    why: 'no blackhole route is made for the own subnet',
  },
  'kube-subnet-mgr': {
    kind: 'switch',
    verdict: 'refused',
    harmless: 'false',
    why: 'subnets come from etcd, not from Kubernetes',
  },
  'kube-api-url': { kind: 'value', verdict: 'ignored', why: KUBE },
  'kubeconfig-file': { kind: 'value', verdict: 'ignored', why: KUBE },
  'kube-annotation-prefix': { kind: 'value', verdict: 'ignored', why: KUBE },
  'net-config-path': { kind: 'value', verdict: 'ignored', why: KUBE },
  'set-node-network-unavailable': { kind: 'switch', verdict: 'ignored', why: KUBE },
  'subnet-lease-renew-margin': {
    kind: 'value',
    verdict: 'ignored',
    why: 'the lease is kept alive all the time, not renewed shortly before its end',
  },
  'iptables-resync': {
    kind: 'value',
    verdict: 'ignored',
    why: 'rules are put right when they change, not every few seconds',
  },
  v: { kind: 'value', verdict: 'ignored', why: LOGGING },
  vmodule: { kind: 'value', verdict: 'ignored', why: LOGGING },
  log_backtrace_at: { kind: 'value', verdict: 'ignored', why: LOGGING },
};

export type Judgement =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'fault'; readonly text: string };

/**
 * What becomes of one of flannel's options.
 * @param option its row
 * @param source where it was given, such as `--healthz-port` or `FLANNELD_HEALTHZ_PORT`
 * @param value as given, not empty
 */
export function judgeFlannelOption(option: FlannelOption, source: string, value: string): Judgement {
  if (option.kind === 'switch') {
    const on = parseGoBoolean(value);
    if (on === undefined) {
      return { kind: 'fault', text: `${source}: ${JSON.stringify(value)} must be true or false` };
    }
    if (String(on) === option.harmless) return { kind: 'nothing' };
  } else if (value === option.harmless) return { kind: 'nothing' };
  return option.verdict === 'ignored'
    ? { kind: 'note', text: `${source} is ignored: ${option.why}` }
    : { kind: 'fault', text: `${source}: flannel's option, not supported by selvedge yet: ${option.why}` };
}
