/**
 * What we send and how its answers are gathered: one collector for each kind of exchange. No effects: the socket
 * feeds messages in and is told when the exchange is complete.
 */
import { constants } from 'node:os';
import { messageName, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR } from './constants.js';
import { NetlinkError } from './errors.js';
import { hostI32, structView, type Message, type MessageWriter } from './message.js';

/** One message to the kernel. */
export interface Operation {
  /** RTM_*. */
  readonly type: number;
  /** NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE …; request, dump and ack flags are the socket's business. */
  readonly flags: number;
  /** What it is about, in iproute2's words, for the message of an error: `route 10.5.2.0/24 via 10.5.2.0 dev flannel.1`. */
  describe(): string;
  /** Writes what follows the header. */
  write(writer: MessageWriter): void;
}

/**
 * How the items of a batch become messages, as `Operation` says it of one: there are tens of thousands at a start, and
 * each would need an object and functions of its own.
 */
export interface BatchForm<T> {
  type(item: T): number;
  describe(item: T): string;
  /**
   * Writes a message for each of the items from `start` to before `end`, in their order and without NLM_F_ACK.
   * @param sequence number of the first; the others follow it
   */
  write(writer: MessageWriter, items: readonly T[], start: number, end: number, sequence: number): void;
}

/**
 * Why an operation of a batch is not simply done. `unknown`: the kernel's answers were lost or cut short, it may or may
 * not have been carried out, so read the kernel again.
 */
export type Trouble =
  { readonly kind: 'failed'; readonly error: NetlinkError } | { readonly kind: 'unknown' };

/** The items of a batch that go to the kernel in one datagram. */
export interface Chunk<T> {
  readonly items: readonly T[];
  readonly form: BatchForm<T>;
  /** Places of its first item and of the one after its last. */
  readonly start: number;
  readonly end: number;
  /** Sequence number of its first message; the others follow it. */
  readonly sequence: number;
}

/** Gathers the answers of one exchange. The last three end it and say, or throw, what came of it. */
export interface Collector<T> {
  /** Takes a message from the kernel. @returns whether it was the last */
  accept(message: Message): boolean;
  complete(): T;
  /** Nothing was sent. @param errno why */
  refused(errno: number): T;
  /** The rest of the answers will not come. @param errno ETIMEDOUT, ENOBUFS (some were lost), ECANCELED … */
  silent(errno: number): T;
  /** Answers have been lost, others may yet come. */
  overflowed(): void;
}

/**
 * One request with an acknowledgement: the answer is what comes before that.
 * @throws NetlinkError from its ends
 */
export function collectReply(operation: Operation, sequence: number): Collector<Message[]> {
  const messages: Message[] = [];
  let errno = 0;
  const fail = (code: number): never => {
    throw errorOf(operation, code);
  };
  return {
    accept: message => {
      if (message.sequence !== sequence) return false;
      if (message.type !== NLMSG_ERROR) {
        messages.push(message);
        return false;
      }
      errno = errnoIn(message);
      return true;
    },
    complete: () => (errno === 0 ? messages : fail(errno)),
    refused: fail,
    silent: fail,
    overflowed: () => undefined,
  };
}

/**
 * The parts of a dump. Its end is undefined when the table changed meanwhile or parts were lost: read it again.
 * @throws NetlinkError from its ends
 */
export function collectDump(operation: Operation, sequence: number): Collector<Message[] | undefined> {
  const messages: Message[] = [];
  let errno = 0;
  let complete = true;
  const fail = (code: number): never => {
    throw errorOf(operation, code);
  };
  return {
    accept: message => {
      if (message.sequence !== sequence) return false;
      if ((message.flags & NLM_F_DUMP_INTR) !== 0) complete = false;
      if (message.type !== NLMSG_ERROR && message.type !== NLMSG_DONE) {
        messages.push(message);
        return false;
      }
      // Kernels before 2.6.19 ended a dump without a code; bytes from elsewhere may too.
      if (message.type === NLMSG_ERROR || message.body.length >= 4) errno = errnoIn(message);
      return true;
    },
    complete: () => {
      if (errno !== 0) return fail(errno);
      return complete ? messages : undefined;
    },
    refused: fail,
    silent: code => (code === constants.errno.ENOBUFS ? undefined : fail(code)),
    overflowed: () => {
      complete = false;
    },
  };
}

const UNKNOWN: Trouble = { kind: 'unknown' };

/**
 * A chunk whose last message alone asks for an acknowledgement. The kernel answers in order and always answers
 * failures: once the last answer is here, an operation without an answer succeeded, unless answers were lost.
 * @param troubles takes what was not simply done, by its place among the items
 */
export function collectBatch<T>(
  { items, form, start, end, sequence }: Chunk<T>,
  troubles: Map<number, Trouble>,
): Collector<void> {
  let isLastDone = false;
  let lost = false;
  const fail = (place: number, errno: number): void => {
    const item = items[place]!;
    const error = new NetlinkError(messageName(form.type(item)), errno, form.describe(item));
    troubles.set(place, { kind: 'failed', error });
  };
  const doubtTheRest = (): void => {
    const doubtful = isLastDone ? end - 1 : end;
    for (let place = start; place < doubtful; place++) {
      if (!troubles.has(place)) troubles.set(place, UNKNOWN);
    }
  };
  return {
    accept: message => {
      const place = start + ((message.sequence - sequence) >>> 0);
      if (place >= end || message.type !== NLMSG_ERROR) return false;
      const errno = errnoIn(message);
      const isLast = place === end - 1;
      if (errno !== 0) fail(place, errno);
      else isLastDone = isLast;
      return isLast;
    },
    complete: () => {
      if (lost) doubtTheRest();
    },
    refused: errno => {
      for (let place = start; place < end; place++) fail(place, errno);
    },
    silent: doubtTheRest,
    overflowed: () => {
      lost = true;
    },
  };
}

/** The kernel's refusal of an operation, with what it was about. @param errno positive */
export function errorOf(operation: Operation, errno: number): NetlinkError {
  return new NetlinkError(messageName(operation.type), errno, operation.describe());
}

/** The code that NLMSG_ERROR and NLMSG_DONE start with, which is 0 or a negative errno; as a positive number. */
function errnoIn(message: Message): number {
  return -hostI32(structView(message.body, 4), 0);
}
