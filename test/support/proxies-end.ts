/**
 * TCP proxies on the loopback of a namespace, a program: `node proxies-end.js HOST:PORT…`, with an IPC channel. It reports
 * when all of them listen, and after each request that it has carried out.
 */
import { startTcpProxy } from './tcp-proxy.js';

export type ProxiesRequest =
  | { readonly kind: 'cut' | 'heal' | 'report' }
  /** Answers stay away, requests arrive. */
  | { readonly kind: 'one-way' }
  /** Connections stay open and carry nothing. */
  | { readonly kind: 'stall' }
  /** Every so many bytes of answers all connections are closed, so many times. */
  | { readonly kind: 'cut-every'; readonly bytes: number; readonly times: number };

/** One of each for every target, in their order. */
export interface ProxiesReport {
  readonly ports: readonly number[];
  /** Connections that are open now. */
  readonly open: readonly number[];
  /** Cuts of `cut-every` so far. */
  readonly cuts: readonly number[];
}

const targets = process.argv.slice(2).map(text => {
  const [host = '', port = ''] = text.split(':');
  return { host, port: Number(port) };
});
const proxies = await Promise.all(targets.map(startTcpProxy));

process.on('message', (request: ProxiesRequest) => {
  for (const proxy of proxies) {
    switch (request.kind) {
      case 'cut':
        proxy.cut();
        break;
      case 'heal':
        proxy.heal();
        break;
      case 'one-way':
        proxy.stall('answers');
        break;
      case 'stall':
        proxy.stall('both');
        break;
      case 'cut-every':
        proxy.cutEvery(request.bytes, request.times);
        break;
      case 'report':
        break;
    }
  }
  report();
});
process.on('disconnect', () => process.exit(0));
report();

function report(): void {
  const answer: ProxiesReport = {
    ports: proxies.map(({ port }) => port),
    open: proxies.map(({ open }) => open),
    cuts: proxies.map(({ cuts }) => cuts),
  };
  process.send?.(answer);
}
