/** Whether the overlay device may leave checksums to the hardware: the operator's word, or the kernel's version. Pure. */

export type TxChecksumOption = 'auto' | 'on' | 'off';

export interface TxChecksumChoice {
  /** Undefined: left as it is found, which is on unless somebody had a reason that a version does not tell. */
  readonly value: 'on' | 'off' | undefined;
  /** For people: `auto: kernel 6.18.0 is sound`. */
  readonly reason: string;
}

/** The running kernel by its own word. */
export interface KernelWord {
  /** `uname -r`. */
  readonly release: string;
  /** `/proc/version_signature` of Ubuntu, whose release always ends in .0: `Ubuntu 5.4.0-42.46-generic 5.4.44`. */
  readonly signature?: string | undefined;
}

type Version = readonly [major: number, minor: number, patch: number];

/**
 * The first sound release of each stable series, and of all that came after the last row.
 *
 * Before, netfilter rewrote the checksum of a tunnel packet that it translated and that had none, once the inner
 * checksum was left to the hardware, so that the receiver dropped it (flannel issue 1279, kubernetes issue 88986). The
 * mend is "netfilter: nat: never update the UDP checksum when it's 0", ea64d8d6c675 of Linux 5.7. It was taken
 * over into 4.19 and 5.4 as their change logs say, into 4.14 and 5.6 by second hand. Series between the rows ended
 * without it.
 */
const SOUND_FROM: readonly Version[] = [
  [4, 14, 181],
  [4, 19, 123],
  [5, 4, 41],
  [5, 6, 13],
  [5, 7, 0],
];

/** What is wanted of `tx-checksum-ip-generic`. Turned off, it cost a factor of five in throughput. */
export function chooseTxChecksum(option: TxChecksumOption, kernel: KernelWord): TxChecksumChoice {
  if (option !== 'auto') return { value: option, reason: `--vxlan-tx-checksum=${option}` };
  const version = versionOf(kernel);
  if (version === undefined)
    return { value: undefined, reason: `auto: kernel version ${kernel.release} cannot be read` };
  const name = version.join('.');
  return isSound(version)
    ? { value: undefined, reason: `auto: kernel ${name} is sound` }
    : { value: 'off', reason: `auto: kernel ${name} spoils checksums of translated tunnel packets` };
}

function versionOf({ release, signature }: KernelWord): Version | undefined {
  const text = signature?.trim().split(/\s+/).at(-1) ?? release;
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
}

function isSound(version: Version): boolean {
  const last = SOUND_FROM.at(-1)!;
  if (isAtLeast(version, last)) return true;
  return SOUND_FROM.some(row => row[0] === version[0] && row[1] === version[1] && isAtLeast(version, row));
}

function isAtLeast(version: Version, other: Version): boolean {
  const differing = version.findIndex((part, index) => part !== other[index]);
  return differing < 0 || version[differing]! > other[differing]!;
}
