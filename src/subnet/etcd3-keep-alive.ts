/** One open LeaseKeepAlive stream: a write per renewal, and an answer within a deadline or the stream is given up. */
import type { ILeaseKeepAliveResponse, LeaseClient } from 'etcd3';
import type { Endpoint } from './etcd3-endpoints.js';
import { StoreError } from './store.js';

type Stream = Awaited<ReturnType<LeaseClient['leaseKeepAlive']>>;

interface Waiting {
  readonly id: string;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (ttlSeconds: number | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** A stream from its opening to its end; what ends late never touches the stream that followed. */
interface Connection {
  readonly stream: Promise<Stream>;
  readonly waiting: Waiting[];
  ended: Error | undefined;
}

export class KeepAliveStream {
  readonly #endpoint: Pick<Endpoint, 'client' | 'streamOptions'>;
  #current: Connection | undefined;

  constructor(endpoint: Pick<Endpoint, 'client' | 'streamOptions'>) {
    this.#endpoint = endpoint;
  }

  /**
   * Renews a lease; opens the stream when it is not open.
   * @param answerMs how long the answer may take; the stream is given up when it is missing
   * @returns seconds until it ends from now, or undefined when the lease is gone
   */
  async renew(id: string, answerMs: number): Promise<number | undefined> {
    const connection = (this.#current ??= this.#open());
    const stream = await connection.stream;
    if (connection.ended !== undefined) throw connection.ended;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const message = `no answer to a keep-alive within ${answerMs / 1000} s`;
        this.#end(connection, new StoreError('unavailable', message));
      }, answerMs);
      connection.waiting.push({ id, timer, resolve, reject });
      stream.write({ ID: id });
    });
  }

  close(): void {
    if (this.#current === undefined) return;
    this.#end(this.#current, new StoreError('unavailable', 'the keep-alive stream was closed'));
  }

  #open(): Connection {
    const { client, streamOptions } = this.#endpoint;
    const stream = client.leaseClient.leaseKeepAlive(streamOptions);
    const connection: Connection = { stream, waiting: [], ended: undefined };
    const end = (error: Error) => this.#end(connection, error);
    stream.then(opened => {
      opened.on('data', answer => onAnswer(connection, answer));
      opened.on('error', end);
      opened.on('end', () => end(new StoreError('unavailable', 'etcd ended the keep-alive stream')));
    }, end);
    return connection;
  }

  #end(connection: Connection, error: Error): void {
    if (connection.ended !== undefined) return;
    connection.ended = error;
    if (this.#current === connection) this.#current = undefined;
    for (const { timer, reject } of connection.waiting) {
      clearTimeout(timer);
      reject(error);
    }
    // A stream that never opened has told its caller so.
    connection.stream.then(
      stream => stream.cancel(),
      () => undefined,
    );
  }
}

function onAnswer(connection: Connection, answer: ILeaseKeepAliveResponse): void {
  const index = connection.waiting.findIndex(({ id }) => id === answer.ID);
  if (index < 0) return;
  const [waiting] = connection.waiting.splice(index, 1);
  clearTimeout(waiting!.timer);
  const ttlSeconds = Number(answer.TTL);
  waiting!.resolve(ttlSeconds > 0 ? ttlSeconds : undefined);
}
