/**
 * Announcements that a child copies to a pipe, where libc cannot be called.
 *
 * A socket that listens to groups can always overflow: taking a VXLAN device of 10,000 peers down announces 10,000
 * neighbours within one call. The native part of the npm package `netlink` 0.3.0 ends the process then: libuv reports
 * POLLERR, and binding.cc makes an error of a null pointer. So the socket only is made with that package; it is handed
 * at once, before it could be polled, to a child that copies what it receives to a pipe. `cat` ends when the socket
 * overflows, which is all we want to know.
 */
import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import type { Subscription } from './subscription.js';

/**
 * Copies descriptor 0 to descriptor 1 until it cannot, or until descriptor 3 ends, which it does with this process,
 * however that dies. The shell lets go of the pipe so that the copy alone holds it.
 */
const PUMP = 'exec 4<&0 </dev/null; cat <&4 & exec >/dev/null 4<&-; read -r _ <&3; kill $!';

/**
 * Hands a socket to a child. The caller closes its own descriptor of it before the event loop goes on.
 * @param descriptor of a socket that has joined its groups
 */
export function copyFrom(descriptor: number): Subscription {
  // detached: a Ctrl-C in the terminal is ours to handle.
  const child = spawn('/bin/sh', ['-c', PUMP], {
    stdio: [descriptor, 'pipe', 'ignore', 'pipe'],
    detached: true,
  });
  let lifeline: Writable | undefined;
  let onLost: ((reason: string) => void) | undefined;
  const end = (reason: string): void => {
    lifeline?.destroy();
    onLost?.(reason);
    onLost = undefined;
  };
  // First of all: an `error` that nobody listens to ends the process.
  child.on('error', error => end(error.message));
  // Without a descriptor left (EMFILE, ENFILE) there are no pipes, and the `error` that says so comes after our return.
  const output = child.stdout ?? undefined;
  if (output !== undefined) {
    lifeline = child.stdio[3] as Writable;
    lifeline.on('error', () => undefined);
    output.on('close', () => end('the receive buffer overflowed'));
  }
  return {
    onData: listener => void output?.on('data', listener),
    onLost: listener => {
      onLost = listener;
    },
    // What the child has not copied yet cannot be had.
    catchUp: () => undefined,
    close: () => {
      onLost = undefined;
      lifeline?.destroy();
      output?.destroy();
    },
  };
}
