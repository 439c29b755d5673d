/** Whether Docker may start with the env file that is there: it must say the subnet that this host has now. Pure. */
import { formatPrefix, maskPrefix, parsePrefix, samePrefix, type Prefix } from '../address/prefix.js';
import type { SavedState } from './saved-state.js';

/** What is known of this host's subnets. */
export interface SubnetWitnesses {
  /** Subnets of the agents that run and have one, as they say. */
  readonly held: readonly Prefix[];
  /** What each instance kept. */
  readonly saved: readonly Pick<SavedState, 'subnet' | 'bootId'>[];
  /** Of this boot; undefined where the kernel does not tell. */
  readonly bootId: string | undefined;
}

/** Why Docker must not start: what is seen and the probable cause. */
export interface DockerRefusal {
  readonly seen: string;
  readonly cause: string;
}

/**
 * Judges the file. A running agent's word counts most; while it waits, for etcd say, or does not run, the subnet that it
 * had in this very boot is good: Docker may restart.
 * @param file its path, for the words
 * @param text its contents, undefined when it is not there
 */
export function judgeDockerEnv(
  file: string,
  text: string | undefined,
  { held, saved, bootId }: SubnetWitnesses,
): { readonly subnet: Prefix } | DockerRefusal {
  if (text === undefined) {
    return {
      seen: `${file} is not there`,
      cause: 'the agent has no subnet yet, or could not write the file',
    };
  }
  const bip = parsePrefix(/--bip=([^\s"']+)/.exec(text)?.[1] ?? '');
  if (bip === undefined) return { seen: `${file} gives no --bip`, cause: 'another program has written it' };
  const subnet = maskPrefix(bip);
  if (held.some(each => samePrefix(each, subnet))) return { subnet };
  const says = `${file} says ${formatPrefix(subnet)}`;
  if (held.length > 0) {
    const seen = `${says}, and this host has ${held.map(formatPrefix).join(', ')}`;
    return {
      seen,
      cause: 'the subnet has changed and the agent could not write the file, or an earlier agent left it',
    };
  }
  const known = saved.filter(state => state.subnet !== undefined && samePrefix(state.subnet, subnet));
  if (known.length === 0) {
    return {
      seen: `${says}, which no agent of this host has had last`,
      cause: 'flanneld or an earlier agent left it',
    };
  }
  if (bootId !== undefined && known.some(state => state.bootId === bootId)) return { subnet };
  return {
    seen: `${says}, the subnet of an earlier boot`,
    cause: 'the agent does not run, or waits: nobody knows yet whether this host still has it',
  };
}
