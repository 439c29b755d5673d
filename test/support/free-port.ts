/** Ports for servers of tests. */
import { createServer } from 'node:net';

/**
 * Below those that the kernel gives to whoever asks for any (net.ipv4.ip_local_port_range): between our look and a server's
 * start, or while it restarts, no connection gets one by chance.
 */
const PORTS = { first: 20_000, each: 30 };
/** Of so many ports each. One belongs to one process for as long as that lives, so that of test files side by side none gets another's. */
const SLOTS = 400;

let slotsTried = 0;
const ours: number[] = [];

/** A port of the loopback address that was free a moment ago, and that no other test is given while this one runs. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = ours.shift();
    if (port === undefined) ours.push(...(await reserveSlot()));
    else if (await listens({ host: '127.0.0.1', port })) return port;
  }
}

async function reserveSlot(): Promise<number[]> {
  while (slotsTried < SLOTS) {
    const slot = (process.pid + slotsTried++) % SLOTS;
    // An abstract name: the kernel forgets it with the process, and each network namespace has its own, as of ports.
    if (!(await listens({ path: `\0selvedge-test-ports-${slot}` }, true))) continue;
    return Array.from({ length: PORTS.each }, (_, i) => PORTS.first + slot * PORTS.each + i);
  }
  throw new Error('other tests have all the ports of the loopback address');
}

/** Whether one can listen there. @param keeps goes on with it, for as long as the process lives otherwise */
function listens(place: { host: string; port: number } | { path: string }, keeps = false): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(place, () => {
      if (keeps) server.unref();
      else server.close();
      resolve(true);
    });
  });
}
