/** What may happen to the hosts of the model. Plain data: a sequence that failed can be kept as it was printed. */
import fc from 'fast-check';
import { CUTS, type Cut } from './world.js';

/** Hosts are numbered from 1. */
export const HOSTS = 4;
/** Subnets 10.5.1.0/24 to 10.5.SUBNETS.0/24: few, so that hosts and strangers meet. */
export const SUBNETS = 6;

/** How long is waited, in lease TTLs. */
const WAITS = [0, 0.1, 0.5, 1.3, 2.5];

/** What somebody who is not an agent of ours writes. */
export const GARBAGE = [
  'not-json',
  'bad-key',
  'no-address',
  'rewritten',
  'stranger',
  'unleased',
  'dual-stack',
  'reserved-outside',
] as const;
export type Garbage = (typeof GARBAGE)[number];

/**
 * What an agent finds when it starts again: all as it was; an empty disk; a device that has got another MAC; a machine that was
 * installed anew, so that it is another node under the same address.
 */
export const FINDINGS = ['all', 'nothing', 'new-device', 'new-node'] as const;
export type Findings = (typeof FINDINGS)[number];

export type Action =
  | { readonly kind: 'join' | 'leave' | 'heal' | 'delete'; readonly host: number }
  | { readonly kind: 'restart-agent'; readonly host: number; readonly finds: Findings }
  | { readonly kind: 'cut'; readonly host: number; readonly how: Cut }
  /** @property subnet where it is written; that of the host, if one is named */
  | {
      readonly kind: 'garbage';
      readonly what: Garbage;
      readonly host: number | undefined;
      readonly subnet: number;
    }
  | { readonly kind: 'wait'; readonly ttls: number }
  | { readonly kind: 'compact' | 'restart-etcd' | 'wipe' | 'back-up' | 'restore' | 'calm' };

const host = fc.integer({ min: 1, max: HOSTS });
const constant = <const T>(value: T) => fc.constant(value);

export interface Lengths {
  /** How many actions or turns are drawn. */
  readonly shortest: number;
  readonly longest: number;
  /** In lease TTLs. */
  readonly longestWait: number;
}

/**
 * Actions one after the other; those that make no sense at their moment do nothing.
 * @param turns how often a turn back is drawn in the place of an action, which are drawn 52 times then
 */
export function anyActions(
  { shortest, longest, longestWait }: Lengths,
  turns: number,
): fc.Arbitrary<readonly Action[]> {
  const action = anyAction(longestWait);
  const step = fc.oneof(
    { weight: 52, arbitrary: action.map((each): readonly Action[] => [each]) },
    { weight: turns, arbitrary: turnBack(action) },
  );
  return fc.array(step, { minLength: shortest, maxLength: longest, size: 'max' }).map(steps => steps.flat());
}

/**
 * Etcd is restored to a backup from before something changed: drawn one by one, these hardly ever meet. What the hosts find
 * then has an older revision than what they knew.
 */
function turnBack(action: fc.Arbitrary<Action>): fc.Arbitrary<readonly Action[]> {
  const change = fc.oneof(
    // The key says what its host said before.
    host.map((host): readonly Action[] => [
      { kind: 'restart-agent', host, finds: 'new-device' },
      { kind: 'wait', ttls: 0.1 },
    ]),
    // The key is that of the host which had the subnet before.
    fc.tuple(host, host).map(([before, after]): readonly Action[] => [
      { kind: 'delete', host: before },
      { kind: 'leave', host: before },
      { kind: 'join', host: after },
      { kind: 'wait', ttls: 0.1 },
    ]),
    fc.array(action, { minLength: 1, maxLength: 4, size: 'max' }),
  );
  return change.map((changes): readonly Action[] => [{ kind: 'back-up' }, ...changes, { kind: 'restore' }]);
}

function anyAction(longestWait: number): fc.Arbitrary<Action> {
  const waits = WAITS.filter(ttls => ttls <= longestWait);
  return fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: constant('wait'), ttls: fc.constantFrom(...waits) }) },
    { weight: 5, arbitrary: fc.record({ kind: constant('join'), host }) },
    { weight: 2, arbitrary: fc.record({ kind: constant('leave'), host }) },
    {
      weight: 9,
      arbitrary: fc.record({ kind: constant('restart-agent'), host, finds: fc.constantFrom(...FINDINGS) }),
    },
    { weight: 6, arbitrary: fc.record({ kind: constant('cut'), host, how: fc.constantFrom(...CUTS) }) },
    { weight: 4, arbitrary: fc.record({ kind: constant('heal'), host }) },
    { weight: 2, arbitrary: fc.record({ kind: constant('delete'), host }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: constant('garbage'),
        what: fc.constantFrom(...GARBAGE),
        host: fc.option(host, { nil: undefined }),
        subnet: fc.integer({ min: 1, max: SUBNETS }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: constant('compact') }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constantFrom('restart-etcd', 'wipe', 'back-up', 'restore') }),
    },
    // Many rules are about who had been left alone: without a rest in between nobody ever is.
    { weight: 4, arbitrary: fc.record({ kind: constant('calm') }) },
  );
}

/** An action as one word of the trace. */
export function formatAction(action: Action): string {
  const { kind, ...details } = action;
  return [kind, ...Object.values(details).map(String)].join(' ');
}
