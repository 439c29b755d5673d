/**
 * Which packets to send, and what their answers mean: everything of the probes but sockets and time. Synchronous; the
 * time is an argument, on a clock that no change of the wall clock moves.
 */
import type { IpAddress } from '../address/ip.js';
import { COOKIE_LENGTH, decodeIcmp, encodeEchoRequest, SMALLEST_PACKET, type EchoId } from './icmp.js';
import { MtuTests, type MtuView } from './mtu-tests.js';
import { isUnsettled, UNTESTED, withAnswer, withLoss, type PathRecord } from './path-record.js';
import { PATHS, type ProbedPeer, type ProbePath, type ProbeTarget } from './peer.js';
import type { MtuFinding, MtuOutcome } from './path-mtu.js';
import { judgePeer, type PeerState } from './path-state.js';
import { Schedule, type Turn } from './schedule.js';

/** A packet to send. */
export interface Outgoing {
  readonly sequence: number;
  readonly address: IpAddress;
  /** From its IPv4 header on. */
  readonly packet: Buffer;
}

/** Totals since the start. */
export interface ProbeCounts {
  readonly sent: Record<Turn['what'], number>;
  readonly lost: Record<ProbePath, number>;
  /** Answers after their time, second answers, answers from another address, and packets that are none. */
  readonly strays: Record<'late' | 'duplicate' | 'wrong-address' | 'malformed', number>;
  sendErrors: number;
}

export interface MonitorOptions {
  /** Packets per second, above 0. */
  readonly rate: number;
  /** Between two probes of one path at least, unless one was lost; 10 s by default. */
  readonly roundMs?: number;
  /** An answer that takes longer is lost. */
  readonly timeoutMs: number;
  /** 16 bits, and `COOKIE_LENGTH` bytes; at random. */
  readonly identifier: number;
  readonly cookie: Uint8Array;
  /** Whether the kernel leads to the peer: before that a probe would leave by the default route. */
  readonly isProgrammed: (key: string) => boolean;
  readonly onAnswer?: (path: ProbePath, rttMs: number) => void;
  readonly onState?: (key: string, before: PeerState, after: PeerState) => void;
}

interface Waiting {
  readonly turn: Turn;
  readonly target: ProbeTarget;
  readonly address: IpAddress;
  readonly sentAt: number;
  /** What became of it. */
  end: 'answered' | 'lost' | undefined;
}

/** Longer than any way there and back that is of use to containers. */
export const TIMEOUT_MS = 1_000;
/** Answers are known as late or as second ones for so long. */
const REMEMBERED_MS = 10_000;
/** A host may be called unreachable again and again, also by whoever forges it. */
const SUSPECTED_AGAIN_MS = 10_000;

type Peer = { -readonly [K in keyof ProbedPeer]: ProbedPeer[K] } & { suspectedAt: number };

export class PeerMonitor {
  readonly #options: MonitorOptions;
  readonly #schedule: Schedule;
  readonly #mtuTests: MtuTests;
  readonly #peers = new Map<string, Peer>();
  /** Keys of peers by their address on the underlay. */
  readonly #byUnderlay = new Map<IpAddress, string>();
  /** Requests by sequence number, the oldest first. */
  readonly #waiting = new Map<number, Waiting>();
  #sequence = 0;
  readonly #byState = groups<PeerState>('reachable', 'unreachable', 'overlay-blocked', 'unknown');
  readonly #byMtu = groups<MtuFinding['kind']>('fits', 'fragmented', 'black-hole', 'unknown');
  readonly counts: ProbeCounts = {
    sent: { underlay: 0, overlay: 0, mtu: 0 },
    lost: { underlay: 0, overlay: 0 },
    strays: { late: 0, duplicate: 0, 'wrong-address': 0, malformed: 0 },
    sendErrors: 0,
  };

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#schedule = new Schedule(options.rate, options.roundMs);
    this.#mtuTests = new MtuTests(this.#schedule);
  }

  get peers(): ReadonlyMap<string, ProbedPeer> {
    return this.#peers;
  }

  /** All peers from now on. One whose addresses have changed begins anew. */
  setTargets(targets: ReadonlyMap<string, ProbeTarget>, now: number): void {
    const changes = new Map<string, ProbeTarget | undefined>(targets);
    for (const key of this.#peers.keys()) if (!targets.has(key)) changes.set(key, undefined);
    this.changeTargets(changes, now);
  }

  /** The same, of some peers: undefined is none any more. */
  changeTargets(changes: ReadonlyMap<string, ProbeTarget | undefined>, now: number): void {
    const isNew = ([key, target]: [string, ProbeTarget | undefined]) =>
      !sameTarget(this.#peers.get(key)?.target, target);
    const changed = [...changes].filter(isNew);
    const gone = new Set(changed.map(([key]) => key).filter(key => this.#peers.has(key)));
    // All that was first: who comes may have the address of who goes.
    for (const key of gone) this.#forget(key);
    this.#schedule.remove(gone);
    const come: string[] = [];
    for (const [key, target] of changed) {
      if (target === undefined) continue;
      this.#peers.set(key, { target, ...NOTHING_KNOWN, since: now, suspectedAt: -Infinity });
      this.#byUnderlay.set(target.underlay, key);
      this.#byState.unknown.add(key);
      come.push(key);
    }
    this.#schedule.add(come);
  }

  /** Keys of the peers in each state, so that nobody has to look at all of them. */
  get byState(): Readonly<Record<PeerState, ReadonlySet<string>>> {
    return this.#byState;
  }

  /** Keys of the peers by what was found of their path MTU; of the others nothing is known yet. */
  get byMtu(): Readonly<Record<MtuFinding['kind'], ReadonlySet<string>>> {
    return this.#byMtu;
  }

  /** How long a round takes: until every peer has been asked, when nothing happens; milliseconds. */
  get roundMs(): number {
    return this.#schedule.roundMs;
  }

  /** Milliseconds until there may be something to do. */
  waitMs(now: number): number {
    const oldest = this.#firstOpen();
    const expiry =
      oldest === undefined ? Infinity : Math.max(0, oldest.sentAt + this.#options.timeoutMs - now);
    return Math.min(expiry, this.#schedule.waitMs(now));
  }

  /** Takes what is lost for lost, and the next packet to send, if its time has come. */
  next(now: number): Outgoing | undefined {
    this.#expire(now);
    const turn = this.#schedule.next(now);
    const peer = turn && this.#peers.get(turn.key);
    if (turn === undefined || peer === undefined) return undefined;
    const step = turn.what === 'mtu' ? this.#mtuTests.stepOf(turn.key) : plainStep(turn.what);
    if (step === undefined) return undefined;
    if (step.path === 'overlay' && !this.#options.isProgrammed(turn.key)) {
      if (turn.what === 'mtu') this.#mtuTests.drop(turn.key);
      else this.#schedule.watch(turn, now);
      return undefined;
    }
    const { target } = peer;
    const sequence = this.#sequence;
    const address = target[step.path];
    this.#sequence = (sequence + 1) & 0xffff;
    this.#waiting.delete(sequence);
    this.#waiting.set(sequence, { turn, target, address, sentAt: now, end: undefined });
    this.counts.sent[turn.what]++;
    const { identifier, cookie } = this.#options;
    const { size: packetSize, mayFragment } = step;
    const packet = encodeEchoRequest({
      ...{ identifier, sequence, cookie, destination: address, packetSize, mayFragment },
    });
    return { sequence, address, packet };
  }

  /** A packet could not be sent. @param isTooLarge for the device that it was to leave by */
  failed(sequence: number, isTooLarge: boolean, now: number): void {
    const waiting = this.#waiting.get(sequence);
    if (isTooLarge && waiting?.turn.what === 'mtu')
      this.#endMtuStep(waiting, { kind: 'too-large', mtu: 0 }, now);
    // Else no answer will come, and that is what it comes to.
    else this.counts.sendErrors++;
  }

  /** A packet came in. @param packet as `decodeIcmp` takes it */
  receive(packet: Uint8Array, source: IpAddress, now: number): void {
    const icmp = decodeIcmp(packet);
    if (icmp.kind === 'malformed') this.counts.strays.malformed++;
    if (icmp.kind === 'echo-reply' && this.#isOurs(icmp.echo)) {
      const mark = Buffer.compare(icmp.data.subarray(0, COOKIE_LENGTH), this.#options.cookie);
      if (mark === 0) this.#answer(icmp.echo.sequence, source, now);
    }
    if (icmp.kind === 'too-large' && this.#isOurs(icmp.echo)) {
      const waiting = this.#waiting.get(icmp.echo.sequence);
      if (waiting?.turn.what === 'mtu' && waiting.address === icmp.destination)
        this.#endMtuStep(waiting, { kind: 'too-large', mtu: icmp.mtu }, now);
    }
    if (icmp.kind === 'unreachable') this.#suspect(icmp.destination, now);
  }

  /**
   * A router, the peer, or this very kernel says that a packet did not get there, such as one of a container: whether that
   * is so the peer itself is asked, now. With many peers its turn would come minutes later.
   */
  #suspect(destination: IpAddress, now: number): void {
    const key = this.#byUnderlay.get(destination);
    const peer = key === undefined ? undefined : this.#peers.get(key);
    if (key === undefined || peer === undefined || now - peer.suspectedAt < SUSPECTED_AGAIN_MS) return;
    peer.suspectedAt = now;
    for (const what of PATHS) this.#schedule.askSoon({ key, what });
  }

  #isOurs({ identifier }: EchoId): boolean {
    return identifier === this.#options.identifier;
  }

  #answer(sequence: number, source: IpAddress, now: number): void {
    const waiting = this.#waiting.get(sequence);
    const { strays } = this.counts;
    if (waiting === undefined) strays.late++;
    else if (source !== waiting.address) strays['wrong-address']++;
    else if (waiting.end !== undefined) strays[waiting.end === 'answered' ? 'duplicate' : 'late']++;
    else if (waiting.turn.what === 'mtu') this.#endMtuStep(waiting, { kind: 'answered' }, now);
    else {
      const rttMs = now - waiting.sentAt;
      waiting.end = 'answered';
      this.#options.onAnswer?.(waiting.turn.what, rttMs);
      this.#note(waiting, record => withAnswer(record, rttMs, now), now);
    }
  }

  #expire(now: number): void {
    for (const [sequence, waiting] of this.#waiting) {
      const age = now - waiting.sentAt;
      if (age < this.#options.timeoutMs) break;
      if (age >= REMEMBERED_MS) this.#waiting.delete(sequence);
      if (waiting.end !== undefined) continue;
      const { what } = waiting.turn;
      if (what === 'mtu') this.#endMtuStep(waiting, { kind: 'silent' }, now);
      else {
        waiting.end = 'lost';
        this.counts.lost[what]++;
        this.#note(waiting, withLoss, now);
      }
    }
  }

  #firstOpen(): Waiting | undefined {
    for (const waiting of this.#waiting.values()) if (waiting.end === undefined) return waiting;
    return undefined;
  }

  /** Takes down what became of a probe. */
  #note({ turn, target }: Waiting, change: (record: PathRecord) => PathRecord, now: number): void {
    const peer = this.#peers.get(turn.key);
    // Of a peer that is gone, or has moved since.
    if (peer?.target !== target || turn.what === 'mtu') return;
    peer[turn.what] = change(peer[turn.what]);
    // A host that is gone is silent on both paths: that only one of them is, both must have shown.
    const isUrgent = !this.#schedule.isRateShort || !isProvedReachable(peer);
    if (isUrgent && isUnsettled(peer[turn.what]))
      for (const what of PATHS) this.#schedule.askSoon({ ...turn, what });
    this.#schedule.spare(turn.key, sparedPath(peer));
    const hasChanged = this.#judge(turn.key, peer, now);
    // That it is back should be known soon. The tunnel proves the underlay; without one that tells.
    if (peer.state === 'reachable' || peer.state === 'unknown') this.#schedule.unwatch(turn.key);
    else this.#schedule.watch({ key: turn.key, what: target.isTunnel ? 'overlay' : 'underlay' }, now);
    this.#noteMtu(turn.key, peer, this.#mtuTests.consider(turn.key, peer, hasChanged, now));
  }

  /** @returns whether the state is another than before */
  #judge(key: string, peer: Peer, now: number): boolean {
    const { underlay, overlay, target, state: before } = peer;
    const { isTunnel } = target;
    const after = judgePeer({ underlay: underlay.word, overlay: overlay.word, isTunnel });
    const isDoubtful = [underlay, overlay].some(({ word, streak }) => word === 'answers' && streak < 0);
    if (after === before || (after !== 'reachable' && isDoubtful)) return false;
    this.#byState[before].delete(key);
    this.#byState[after].add(key);
    peer.state = after;
    peer.since = now;
    this.#options.onState?.(key, before, after);
    return true;
  }

  #noteMtu(key: string, peer: Peer, found: MtuView | undefined): void {
    if (found === undefined) return;
    if (peer.mtu !== undefined) this.#byMtu[peer.mtu.finding.kind].delete(key);
    this.#byMtu[found.finding.kind].add(key);
    peer.mtu = found;
  }

  #endMtuStep(waiting: Waiting, outcome: MtuOutcome, now: number): void {
    if (waiting.end !== undefined) return;
    waiting.end = outcome.kind === 'silent' ? 'lost' : 'answered';
    const peer = this.#peers.get(waiting.turn.key);
    if (peer?.target !== waiting.target) return;
    this.#noteMtu(waiting.turn.key, peer, this.#mtuTests.take(waiting.turn.key, outcome, now));
  }

  #forget(key: string): void {
    for (const group of [...Object.values(this.#byState), ...Object.values(this.#byMtu)]) group.delete(key);
    const address = this.#peers.get(key)?.target.underlay;
    if (address !== undefined && this.#byUnderlay.get(address) === key) this.#byUnderlay.delete(address);
    this.#peers.delete(key);
    this.#mtuTests.drop(key);
  }
}

/** Whether a path answers that is proof enough, so that nothing hangs on the other one. */
function isProvedReachable({ underlay, overlay, target }: ProbedPeer): boolean {
  const proofs = target.isTunnel ? [overlay] : [overlay, underlay];
  return proofs.some(({ word, streak }) => word === 'answers' && streak > 0);
}

/**
 * The path that tells nothing more while the other one answers: the underlay below a tunnel, and an address in the peer's
 * subnet that nobody has.
 */
function sparedPath({ underlay, overlay, target }: ProbedPeer): ProbePath | undefined {
  if ([underlay, overlay].some(record => isUnsettled(record))) return undefined;
  if (overlay.word === 'answers') return 'underlay';
  return !target.isTunnel && underlay.word === 'answers' ? 'overlay' : undefined;
}

const NOTHING_KNOWN = { underlay: UNTESTED, overlay: UNTESTED, mtu: undefined, state: 'unknown' } as const;

function groups<K extends string>(...kinds: K[]): Record<K, Set<string>> {
  return Object.fromEntries(kinds.map(kind => [kind, new Set<string>()])) as Record<K, Set<string>>;
}

function plainStep(path: ProbePath) {
  return { path, size: SMALLEST_PACKET, mayFragment: false };
}

function sameTarget(a: ProbeTarget | undefined, b: ProbeTarget | undefined): boolean {
  const names = ['underlay', 'overlay', 'isTunnel', 'underlaySize', 'overlaySize'] as const;
  if (a === undefined || b === undefined) return a === b;
  return names.every(name => a[name] === b[name]);
}
