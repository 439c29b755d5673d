/** How an error stands in the log. Pure. */
import { pino } from 'pino';
import { StoreError } from '../subnet/store.js';

/**
 * etcd in trouble is no fault of this program's: where in it that was met says nothing, and gRPC's calls are thirty lines of it.
 * The words, what was found out and the next command say all. Any other error comes with its stack.
 * @returns what pino writes in the error's place
 */
export function loggedError(error: Error): object {
  if (!(error instanceof StoreError)) return pino.stdSerializers.err(error);
  const { name, kind, message, advice } = error;
  return { type: name, kind, message, ...(advice && { advice }) };
}
