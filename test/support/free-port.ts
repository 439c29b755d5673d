/** Ports for servers of tests. */
import { createServer } from 'node:net';

/**
 * Below those that the kernel gives to whoever asks for any (net.ipv4.ip_local_port_range): between our look and a server's
 * start, or while it restarts, no connection gets one by chance. Test files run side by side: each counts from a place of
 * its own.
 */
const PORTS = { first: 20_000, count: 12_000, each: 30 };
let portsGiven = 0;

/** A port of the loopback address that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + ((process.pid * PORTS.each + portsGiven++) % PORTS.count);
    if (await isFree(port)) return port;
    if (portsGiven > PORTS.count) throw new Error('no port is free on the loopback address');
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
