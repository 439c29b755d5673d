/** Asks the agent that served this page. */
import type { StatusDocument } from '../daemon/status.js';

/** An agent that takes longer is one that does not answer. */
const TIMEOUT_MS = 4_000;

/** What the agent said, and when. */
export interface Answer {
  readonly status: StatusDocument;
  /** By the agent's own clock, by which all times in the document are: that of this machine may be another. */
  readonly agentTime: number;
  /** By `performance.now()`. */
  readonly receivedAt: number;
}

/**
 * Reads the status document.
 * @throws Error with a message for people when there is no sound answer
 */
export async function askAgent(): Promise<Answer> {
  const response = await fetch('status.json', { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`it answered ${response.status}`);
  const status = (await response.json()) as Partial<StatusDocument> | null;
  if (status?.version !== 1) throw new Error('its answer is no status of version 1');
  const agentTime = Date.parse(response.headers.get('date') ?? '');
  return {
    status: status as StatusDocument,
    agentTime: Number.isNaN(agentTime) ? Date.now() : agentTime,
    receivedAt: performance.now(),
  };
}
