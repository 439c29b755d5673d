/** Probes peers until it is told to stop: the monitor at work on a real socket. */
import type { PeerMonitor } from './peer-monitor.js';
import { ProbesUnavailableError, type IcmpHandlers, type IcmpSocket } from './icmp-socket.js';

export interface ProberOptions {
  readonly monitor: PeerMonitor;
  readonly open: (handlers: IcmpHandlers) => IcmpSocket;
  readonly clock: {
    /** Milliseconds; no change of the wall clock moves it. */
    readonly now: () => number;
    readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  };
  /** Called once a second at least: brings the monitor's targets up to date. */
  readonly refresh: (now: number) => void;
  /** The probes are off for this reason, or undefined: on. Called when that changes. */
  readonly onAvailable: (trouble: ProbesUnavailableError | undefined) => void;
}

const REFRESH_MS = 1_000;
/** What is not built or not allowed now seldom is soon. */
const REOPEN_MS = 60_000;

/** Runs until `signal` aborts. Without a socket it tries for one every minute, and nothing else is touched by it. */
export async function probe(options: ProberOptions, signal: AbortSignal): Promise<void> {
  const { clock, onAvailable } = options;
  const isOver = () => signal.aborted;
  while (!isOver()) {
    const ending = new AbortController();
    const either = AbortSignal.any([signal, ending.signal]);
    let trouble: ProbesUnavailableError | undefined;
    const socket = openSocket(options, reason => {
      trouble = new ProbesUnavailableError(`the raw socket ended: ${reason}`, 'journalctl -u selvedge');
      ending.abort();
    });
    if (socket instanceof ProbesUnavailableError) trouble = socket;
    else {
      onAvailable(undefined);
      await turns(options, socket, either);
      socket.close();
    }
    if (isOver()) return;
    onAvailable(trouble);
    await clock.sleep(REOPEN_MS, signal);
  }
}

function openSocket(
  { monitor, clock, open }: ProberOptions,
  onEnd: (reason: string) => void,
): IcmpSocket | ProbesUnavailableError {
  try {
    return open({
      onPacket: (packet, source) => monitor.receive(packet, source, clock.now()),
      onSendError: (sequence, isTooLarge) => monitor.failed(sequence, isTooLarge, clock.now()),
      onEnd,
    });
  } catch (error) {
    if (error instanceof ProbesUnavailableError) return error;
    throw error;
  }
}

async function turns(
  { monitor, clock, refresh }: ProberOptions,
  socket: IcmpSocket,
  signal: AbortSignal,
): Promise<void> {
  let refreshedAt = -Infinity;
  while (!signal.aborted) {
    const now = clock.now();
    if (now - refreshedAt >= REFRESH_MS) {
      refresh(now);
      refreshedAt = now;
    }
    const outgoing = monitor.next(now);
    if (outgoing !== undefined) socket.send(outgoing);
    await clock.sleep(Math.min(monitor.waitMs(clock.now()), REFRESH_MS), signal);
  }
}
