/**
 * The socket on which we ask the kernel and change it: every exchange has an end, and no more is under way at once than
 * the receive buffer holds answers for.
 */
import { constants } from 'node:os';
import { NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST } from './constants.js';
import { MalformedMessageError } from './errors.js';
import {
  collectBatch,
  collectDump,
  collectReply,
  errorOf,
  type BatchForm,
  type Chunk,
  type Collector,
  type Operation,
  type Trouble,
} from './exchange.js';
import { MessageWriter, readMessages, type Message } from './message.js';
import { openTransport } from './open-transport.js';
import { Room } from './room.js';
import type { Transport } from './transport.js';

/**
 * The most messages in one datagram, where the receive buffer holds as many refusals. The kernel's part is no less from
 * 64 on; ours is a turn of the event loop, which at 400 is a fiftieth of the whole.
 */
const BATCH_MESSAGES = 400;

/** How often a dump is begun while the table keeps changing under it. */
const DUMP_TRIES = 8;

/** The kernel answers within the call that sends, so silence means that the answer was lost. */
const SILENCE_MS = 2_000;

/** How long to listen for more once answers are known to be lost. */
const SILENCE_AFTER_LOSS_MS = 100;

/** What has been sent so far. */
export interface NetlinkStats {
  /** Single requests and batches. */
  readonly requests: number;
  readonly dumps: number;
  /** Messages that were to change the kernel. */
  readonly changes: number;
}

interface Pending {
  readonly accept: (message: Message) => void;
  readonly silent: (errno: number) => void;
  readonly overflowed: () => void;
}

/**
 * A socket for requests. Several callers may use it at once: their exchanges begin in the order in which they asked, one
 * datagram each. While one asks something nothing else is under way; datagrams of changes may follow each other.
 */
export class NetlinkSocket {
  readonly #transport: Transport;
  readonly #silenceMs: number;
  /** Buffers that nobody is using at present. */
  readonly #writers: MessageWriter[] = [];
  readonly #stats = { requests: 0, dumps: 0, changes: 0 };
  readonly #room: Room;
  readonly #pending = new Set<Pending>();
  #sequence = 0;
  #closed = false;

  /**
   * @param transport to the kernel of this process's network namespace, or to a test's
   * @param options.silenceMs after how long without an answer one is taken for lost
   */
  constructor(transport: Transport = openTransport(), options: { readonly silenceMs?: number } = {}) {
    this.#transport = transport;
    this.#silenceMs = options.silenceMs ?? SILENCE_MS;
    this.#room = new Room(Math.max(1, transport.answerCapacity));
    transport.onMessage((bytes, sender) => this.#receive(bytes, sender));
    // Whatever the error: something may not have reached us.
    transport.onError(() => this.#tellAll(pending => pending.overflowed()));
  }

  /** Our port id: notifications about our own changes carry it. */
  get port(): number {
    return this.#transport.port;
  }

  get stats(): NetlinkStats {
    return { ...this.#stats };
  }

  /**
   * Sends one message and waits until it is carried out.
   * @returns what the kernel answered besides the acknowledgement; of a change nothing
   * @throws NetlinkError the kernel's refusal; ETIMEDOUT or ENOBUFS when the answer was lost, ECANCELED after `close`
   */
  request(operation: Operation): Promise<Message[]> {
    return this.#alone(() => {
      this.#stats.requests++;
      const sequence = this.#reserveSequences(1);
      const writer = this.#write(operation, NLM_F_REQUEST | NLM_F_ACK, sequence);
      return this.#converse(collectReply(operation, sequence), writer);
    });
  }

  /**
   * Reads a table, again and again while it changes under the reading.
   * @throws NetlinkError as `request` does; EINTR when the table would not hold still
   */
  async dump(operation: Operation): Promise<Message[]> {
    for (let attempt = 1; attempt <= DUMP_TRIES; attempt++) {
      const messages = await this.#alone(() => {
        this.#stats.dumps++;
        const sequence = this.#reserveSequences(1);
        const writer = this.#write(operation, NLM_F_REQUEST | NLM_F_DUMP, sequence);
        return this.#converse(collectDump(operation, sequence), writer);
      });
      if (messages !== undefined) return messages;
    }
    throw errorOf(operation, constants.errno.EINTR);
  }

  /**
   * Sends any number of changes; none waits for another's success, and they are carried out in order.
   * @param form the messages that the items are
   * @returns what was not simply done, by its place among the items
   */
  async batch<T>(items: readonly T[], form: BatchForm<T>): Promise<ReadonlyMap<number, Trouble>> {
    const troubles = new Map<number, Trouble>();
    const answered: Promise<void>[] = [];
    try {
      // Each is written while the kernel may be at work, on another thread, on those before.
      for (const { chunk, writer } of this.#chunksOf(items, form)) {
        // For each anew: another caller's single change need not wait for ten thousand.
        const leave = await this.#room.take(chunk.end - chunk.start);
        this.#stats.requests++;
        this.#stats.changes += chunk.end - chunk.start;
        answered.push(this.#converse(collectBatch(chunk, troubles), writer).finally(leave));
      }
    } finally {
      await Promise.all(answered);
    }
    return troubles;
  }

  /** Ends the socket. What waits for an answer is told that none will come. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#tellAll(pending => pending.silent(constants.errno.ECANCELED));
    this.#transport.close();
  }

  /** Writes chunk after chunk. */
  *#chunksOf<T>(
    items: readonly T[],
    form: BatchForm<T>,
  ): Generator<{ readonly chunk: Chunk<T>; readonly writer: MessageWriter }> {
    const size = Math.max(1, Math.min(BATCH_MESSAGES, this.#transport.answerCapacity));
    for (let start = 0; start < items.length; start += size) {
      const end = Math.min(start + size, items.length);
      const chunk = { items, form, start, end, sequence: this.#reserveSequences(end - start) };
      const writer = this.#freeWriter();
      form.write(writer, items, start, end, chunk.sequence);
      writer.addFlags(NLM_F_ACK);
      yield { chunk, writer };
    }
  }

  #write(operation: Operation, flags: number, sequence: number): MessageWriter {
    if (isChange(operation.type)) this.#stats.changes++;
    const writer = this.#freeWriter();
    writer.beginMessage(operation.type, operation.flags | flags, sequence);
    operation.write(writer);
    writer.endMessage();
    return writer;
  }

  /** An empty buffer. */
  #freeWriter(): MessageWriter {
    const writer = this.#writers.pop() ?? new MessageWriter();
    writer.reset();
    return writer;
  }

  /** The first of `count` consecutive numbers, none of them 0, which the kernel uses for what nobody asked. */
  #reserveSequences(count: number): number {
    if (this.#sequence + count > 0xffff_ffff) this.#sequence = 0;
    const first = this.#sequence + 1;
    this.#sequence += count;
    return first;
  }

  /** Runs `exchange` when those before it have ended, however they ended, and while no other does. */
  async #alone<T>(exchange: () => Promise<T>): Promise<T> {
    const leave = await this.#room.takeAll();
    try {
      return await exchange();
    } finally {
      leave();
    }
  }

  /** Sends what the writer holds, and feeds the collector until the exchange is over. */
  #converse<T>(collector: Collector<T>, writer: MessageWriter): Promise<T> {
    return new Promise(resolve => {
      let timer: NodeJS.Timeout | undefined;
      let lost = false;
      let sent = false;
      let heard = 0;
      const end = (outcome: () => T): void => {
        if (!this.#pending.delete(pending)) return;
        clearTimeout(timer);
        // An end may throw: that rejects.
        resolve(Promise.resolve().then(outcome));
      };
      const listen = (): void => {
        clearTimeout(timer);
        const errno = lost ? constants.errno.ENOBUFS : constants.errno.ETIMEDOUT;
        // Where this thread was busy for that long answers may wait in the socket: let the event loop look once more.
        const giveUp = (): void => {
          const heardBefore = heard;
          setImmediate(() => {
            if (heard === heardBefore) pending.silent(errno);
          });
        };
        timer = setTimeout(giveUp, lost ? SILENCE_AFTER_LOSS_MS : this.#silenceMs).unref();
      };
      const pending: Pending = {
        accept: message => {
          heard++;
          if (collector.accept(message)) end(() => collector.complete());
          else timer?.refresh();
        },
        silent: errno => end(() => collector.silent(errno)),
        overflowed: () => {
          collector.overflowed();
          lost = true;
          if (sent) listen();
        },
      };
      this.#pending.add(pending);
      if (this.#closed) {
        end(() => collector.refused(constants.errno.ECANCELED));
        return;
      }
      this.#send(writer, error => {
        if (error !== undefined) end(() => collector.refused(errnoOf(error)));
        else if (this.#pending.has(pending)) {
          sent = true;
          listen();
        }
      });
    });
  }

  /** Sends what the writer holds, which is free again then; a transport that throws has refused. */
  #send(writer: MessageWriter, callback: (error?: Error) => void): void {
    const sent = (error?: Error): void => {
      this.#writers.push(writer);
      callback(error);
    };
    try {
      this.#transport.send(writer.bytes(), sent);
    } catch (error) {
      sent(error as Error);
    }
  }

  #receive(bytes: Uint8Array, sender: number): void {
    // Any root process may send to our port: only the kernel is port 0.
    if (sender !== 0) return;
    try {
      for (const message of readMessages(bytes)) this.#tellAll(pending => pending.accept(message));
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.#tellAll(pending => pending.silent(constants.errno.EBADMSG));
    }
  }

  #tellAll(tell: (pending: Pending) => void): void {
    for (const pending of this.#pending) tell(pending);
  }
}

/** rtnetlink numbers its types in fours: new, delete, get, set. */
function isChange(type: number): boolean {
  return (type & 3) !== 2;
}

/** The errno of an error of the native socket; EIO when it has none. */
function errnoOf(error: Error): number {
  return 'errno' in error && typeof error.errno === 'number' ? Math.abs(error.errno) : constants.errno.EIO;
}
