/**
 * A filter for a subscription: the kernel does not even queue what a certain port has caused. A start with ten thousand
 * peers changes forty thousand entries; announced to ourselves, they would overflow the subscription and keep a processor
 * busy while the kernel needs it. Pure.
 */
import { endianness } from 'node:os';
import { FILTER_INSTRUCTION_BYTES } from '../../libc/libc.js';

/** Where nlmsg_pid is in struct nlmsghdr; an announcement is a datagram of its own, which begins with that. */
const PORT_OFFSET = 12;

/** Classic BPF (linux/bpf_common.h): load a word in network byte order, compare, return how many bytes may pass. */
const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_IF_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K
const NOTHING = 0;
const EVERYTHING = 0xffff_ffff;

/**
 * A program for SO_ATTACH_FILTER.
 * @param port as nlmsg_pid has it, 1 to 2³² - 1
 * @param isLittle the host's byte order
 * @returns an array of struct sock_filter
 */
export function programWithoutPort(port: number, isLittle = endianness() === 'LE'): Uint8Array {
  // nlmsg_pid is in host byte order and is loaded as if it were in network byte order.
  const swapped = new DataView(new ArrayBuffer(4));
  swapped.setUint32(0, port, isLittle);
  const instructions: readonly (readonly [code: number, ifTrue: number, ifFalse: number, k: number])[] = [
    [LOAD_WORD, 0, 0, PORT_OFFSET],
    [JUMP_IF_EQUAL, 0, 1, swapped.getUint32(0)],
    [RETURN, 0, 0, NOTHING],
    [RETURN, 0, 0, EVERYTHING],
  ];
  const program = new DataView(new ArrayBuffer(instructions.length * FILTER_INSTRUCTION_BYTES));
  for (const [index, [code, ifTrue, ifFalse, k]] of instructions.entries()) {
    const at = index * FILTER_INSTRUCTION_BYTES;
    program.setUint16(at, code, isLittle);
    program.setUint8(at + 2, ifTrue);
    program.setUint8(at + 3, ifFalse);
    program.setUint32(at + 4, k, isLittle);
  }
  return new Uint8Array(program.buffer);
}
