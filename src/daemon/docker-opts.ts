/**
 * Docker's options made of a subnet.env, as flannel's mk-docker-opts.sh makes them: the variable lines have its bytes,
 * recorded by running it. Pure.
 */
import { parsePrefix } from '../address/prefix.js';
import { formatCombined, formatEach, type DockerOption } from './docker-env.js';

export type Variables = Readonly<Record<string, string | undefined>>;

export interface DockerOptsWish {
  /** A line for each option. */
  readonly each: boolean;
  /** One line with all of them. */
  readonly combined: boolean;
  /** Name of the variable of that line. What the environment already has for it comes first. */
  readonly combinedKey: string;
  /** False for a Docker too old to know the option. */
  readonly ipMasq: boolean;
}

export type DockerOptsResult =
  { readonly ok: true; readonly text: string } | { readonly ok: false; readonly fault: string };

const NAME = /^[A-Za-z_]\w*$/;
const PREFIX = 'DOCKER_OPT_';
/** Would end the quotes that the value stands in, or mean something else between them to a shell or to systemd. */
const UNQUOTABLE = /["\\`$\p{Cc}]/u;

/**
 * Makes the file's contents.
 * @param variables those of subnet.env over those of the environment: a `DOCKER_OPT_*` of either becomes an option too, and
 *   a variable that is missing or empty becomes none
 */
export function makeDockerOpts(variables: Variables, wish: DockerOptsWish): DockerOptsResult {
  const { combinedKey } = wish;
  const refuse = (fault: string): DockerOptsResult => ({ ok: false, fault });
  if (!NAME.test(combinedKey))
    return refuse(`-k: ${JSON.stringify(combinedKey)} must be the name of a variable`);
  const given = flannelOptions(variables, wish.ipMasq);
  if (typeof given === 'string') return refuse(given);
  const before = variables[combinedKey] ?? '';
  const all = { ...dockerOptionsIn(variables), ...given };
  const unfit = Object.entries({ ...all, [combinedKey]: before }).find(([, value]) => UNQUOTABLE.test(value));
  if (unfit !== undefined) {
    return refuse(
      `${unfit[0]}: ${JSON.stringify(unfit[1])} cannot stand in a variable: it holds ", \\, $, \` or a control character`,
    );
  }
  // The script's order is that of a shell's `set`.
  const options: DockerOption[] = Object.entries(all).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const start = before === '' ? '' : `${before} `;
  return {
    ok: true,
    text:
      (wish.each ? formatEach(options) : '') +
      (wish.combined ? formatCombined(combinedKey, options, start) : ''),
  };
}

function dockerOptionsIn(variables: Variables): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) =>
      name.startsWith(PREFIX) && value !== undefined ? [[name, value]] : [],
    ),
  );
}

/** @returns the options, or the fault */
function flannelOptions(variables: Variables, withIpMasq: boolean): Record<string, string> | string {
  const { FLANNEL_SUBNET: subnet, FLANNEL_MTU: mtu, FLANNEL_IPMASQ: ipMasq } = variables;
  const options: Record<string, string> = {};
  if (subnet !== undefined && subnet !== '') {
    if (parsePrefix(subnet)?.family !== 4) return faultIn('FLANNEL_SUBNET', subnet, 'an IPv4 prefix');
    options[`${PREFIX}BIP`] = `--bip=${subnet}`;
  }
  if (mtu !== undefined && mtu !== '') {
    if (!/^\d{1,5}$/.test(mtu)) return faultIn('FLANNEL_MTU', mtu, 'a number of bytes');
    options[`${PREFIX}MTU`] = `--mtu=${mtu}`;
  }
  if (withIpMasq && ipMasq !== undefined && ipMasq !== '') {
    if (ipMasq !== 'true' && ipMasq !== 'false') return faultIn('FLANNEL_IPMASQ', ipMasq, 'true or false');
    options[`${PREFIX}IPMASQ`] = `--ip-masq=${ipMasq === 'false'}`;
  }
  return options;
}

function faultIn(name: string, value: string, what: string): string {
  return `${name}: ${JSON.stringify(value)} must be ${what}`;
}
