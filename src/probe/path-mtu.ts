/**
 * How large a packet may be on its way to a peer. Pure.
 *
 * The outer packets of a VXLAN device may be fragmented, so that a full-size packet of a container gets over a narrow
 * link, only slowly. That is told on the underlay, by packets that may not be fragmented.
 */
import { SMALLEST_PACKET } from './icmp.js';

/** One packet to send, repeated when nothing comes back. */
export interface MtuStep {
  readonly path: 'underlay' | 'overlay';
  /** Of the IPv4 packet, bytes. */
  readonly size: number;
  readonly mayFragment: boolean;
}

export type MtuOutcome =
  | { readonly kind: 'answered' }
  | { readonly kind: 'silent' }
  /** A router or this host refused it. @see IcmpPacket for `mtu`: 0 when it is not told */
  | { readonly kind: 'too-large'; readonly mtu: number };

export interface MtuResult extends MtuStep {
  readonly outcome: MtuOutcome;
}

/** What is asked for one peer. */
export interface MtuQuestion {
  /** Containers' packets at their largest, bytes. */
  readonly overlaySize: number;
  /** What they are on the underlay: wrapped, where there is a tunnel. */
  readonly underlaySize: number;
  readonly isTunnel: boolean;
  /** On which paths small packets are answered: on the others nothing can be found out. */
  readonly answers: { readonly underlay: boolean; readonly overlay: boolean };
}

/**
 * `fits`: in one piece. `fragmented`: gets there in pieces, or the sender is told to send smaller ones. `black-hole`: larger
 * packets than `size` vanish without a word. `size`: the largest that passes whole, bytes on the underlay.
 */
export type MtuFinding =
  | { readonly kind: 'fits' }
  | { readonly kind: 'fragmented'; readonly size: number }
  | { readonly kind: 'black-hole'; readonly size: number }
  | { readonly kind: 'unknown'; readonly reason: string };

export type MtuNext = { readonly step: MtuStep } | { readonly finding: MtuFinding };

/**
 * What to send next, or what has been found. Full-size packets that were silent are sent once more at the end: an outage
 * that is over by then looks like a narrow link, for the sizes that were asked later pass.
 * @param results of all steps so far
 */
export function nextOfMtu(question: MtuQuestion, results: readonly MtuResult[]): MtuNext {
  const next = nextOfSearch(question, results);
  if ('step' in next || !('size' in next.finding)) return next;
  for (const step of results.filter(result => isFullSize(result, question))) {
    const outcomes = results.filter(result => isSameStep(result, step)).map(({ outcome }) => outcome.kind);
    if (outcomes[0] !== 'silent') continue;
    const { path, size, mayFragment } = step;
    if (outcomes.length === 1) return { step: { path, size, mayFragment } };
    if (outcomes[1] === 'answered') return unknown('large packets were lost for a while');
  }
  return next;
}

function isFullSize({ path, size }: MtuStep, { underlaySize, overlaySize }: MtuQuestion): boolean {
  return size === (path === 'underlay' ? underlaySize : overlaySize);
}

function isSameStep(a: MtuStep, b: MtuStep): boolean {
  return a.path === b.path && a.size === b.size && a.mayFragment === b.mayFragment;
}

/** The same by the first outcome of each step. */
function nextOfSearch(question: MtuQuestion, results: readonly MtuResult[]): MtuNext {
  const { underlaySize, overlaySize, isTunnel, answers } = question;
  const whole: MtuStep = { path: 'underlay', size: underlaySize, mayFragment: false };
  const onUnderlay = answers.underlay ? outcomeOf(whole, results) : UNTESTABLE;
  if (onUnderlay === undefined) return { step: whole };

  const full: MtuStep = { path: 'overlay', size: overlaySize, mayFragment: false };
  const onOverlay = isTunnel && answers.overlay ? outcomeOf(full, results) : UNTESTABLE;
  if (onOverlay === undefined) return { step: full };

  const overhead = underlaySize - overlaySize;
  // The host itself knows of a narrow link, and tells containers.
  if (onOverlay === 'too-large') return search(full, results, overhead, 'fragmented');
  if (onOverlay === 'silent')
    return answers.underlay && onUnderlay !== 'answered'
      ? search(whole, results, 0, 'black-hole')
      : search(full, results, overhead, 'black-hole');
  if (onUnderlay === 'answered') return { finding: { kind: 'fits' } };
  if (onUnderlay === 'too-large') return search(whole, results, 0, 'fragmented');
  if (onUnderlay === UNTESTABLE) return unknown('the host does not answer on the underlay');

  // No word from a router and no answer: are large ICMP packets let through at all?
  const loose: MtuStep = { ...whole, mayFragment: true };
  const inPieces = outcomeOf(loose, results);
  if (inPieces === undefined) return { step: loose };
  if (inPieces !== 'answered') return unknown('large ICMP packets get no answer on the underlay');
  // Containers' own packets may not be fragmented, those that wrap them may.
  return search(whole, results, 0, isTunnel ? 'fragmented' : 'black-hole');
}

const UNTESTABLE = 'untestable';

function unknown(reason: string): MtuNext {
  return { finding: { kind: 'unknown', reason } };
}

function outcomeOf(step: MtuStep, results: readonly MtuResult[]): MtuOutcome['kind'] | undefined {
  return resultsOf(step, results).find(({ size }) => size === step.size)?.outcome.kind;
}

function resultsOf({ path, mayFragment }: MtuStep, results: readonly MtuResult[]): readonly MtuResult[] {
  return results.filter(result => result.path === path && result.mayFragment === mayFragment);
}

/**
 * The largest size that is answered below one that is not: what a router said and one byte more, else by halving.
 * @param overhead what the underlay adds to packets of this path, bytes
 */
function search(
  refused: MtuStep,
  results: readonly MtuResult[],
  overhead: number,
  kind: 'fragmented' | 'black-hole',
): MtuNext {
  const tried = resultsOf(refused, results);
  const answered = tried.filter(({ outcome }) => outcome.kind === 'answered').map(({ size }) => size);
  const failed = tried.filter(({ outcome }) => outcome.kind !== 'answered').map(({ size }) => size);
  // Ordinary probes are answered, and they are as small as can be.
  const low = Math.max(SMALLEST_PACKET, ...answered);
  const high = Math.min(...failed);
  if (high - low <= 1) return { finding: { kind, size: low + overhead } };
  const hints = tried.flatMap(({ outcome }) => (outcome.kind === 'too-large' ? [outcome.mtu] : []));
  const hint = Math.min(...hints.filter(mtu => mtu >= low && mtu < high));
  // A word that anybody can forge is only a guess.
  const size = hint === Infinity ? Math.floor((low + high) / 2) : hint > low ? hint : low + 1;
  return { step: { ...refused, size } };
}
