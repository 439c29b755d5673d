/** A TCP proxy on loopback whose traffic can be cut, stalled and healed. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** Which way traffic stops: `answers` lets requests through and keeps the answers back. */
export type Stall = 'none' | 'both' | 'answers';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export async function startTcpProxy(target: Target): Promise<TcpProxy> {
  const server = createServer({ allowHalfOpen: false });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return new TcpProxy(server, target);
}

export class TcpProxy {
  readonly port: number;
  private readonly pairs = new Set<Pair>();
  private refusing = false;
  private stalled: Stall = 'none';
  /** Connections that were opened through the proxy, ever. */
  connections = 0;
  /** Connections that were refused, ever. */
  refused = 0;
  /** Cuts of `cutEvery`, ever. */
  cuts = 0;
  private cutsLeft = 0;
  private bytesBetweenCuts = 0;
  private bytesSinceCut = 0;

  constructor(
    private readonly server: Server,
    private readonly target: Target,
  ) {
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', client => this.accept(client));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  private accept(client: Socket): void {
    client.on('error', () => client.destroy());
    if (this.refusing) {
      this.refused++;
      client.destroy();
      return;
    }
    this.connections++;
    const server = connect(this.target);
    const pair = { client, server };
    this.pairs.add(pair);
    server.on('error', () => server.destroy());
    client.pipe(server);
    server.pipe(client);
    server.on('data', (chunk: Buffer) => this.count(chunk.length));
    const end = () => {
      this.pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    client.on('close', end);
    server.on('close', end);
    this.apply(pair, this.stalled);
  }

  private apply({ client, server }: Pair, stall: Stall): void {
    client.unpipe(server);
    server.unpipe(client);
    client.pause();
    server.pause();
    if (stall !== 'both') client.pipe(server);
    if (stall === 'none') server.pipe(client);
  }

  /** Closes all connections and refuses new ones until `heal`. */
  cut(): void {
    this.refusing = true;
    this.drop();
  }

  /** Closes all connections; new ones are served. */
  drop(): void {
    for (const { client, server } of this.pairs) {
      client.destroy();
      server.destroy();
    }
  }

  /** Connections that are open now. */
  get open(): number {
    return this.pairs.size;
  }

  /** From now on closes all connections whenever so many bytes of answers have come, so many times; new ones are served. */
  cutEvery(bytes: number, times: number): void {
    this.bytesBetweenCuts = bytes;
    this.cutsLeft = times;
    this.bytesSinceCut = 0;
  }

  private count(bytes: number): void {
    this.bytesSinceCut += bytes;
    if (this.cutsLeft === 0 || this.bytesSinceCut < this.bytesBetweenCuts) return;
    this.cutsLeft--;
    this.cuts++;
    this.bytesSinceCut = 0;
    this.drop();
  }

  /** Stops traffic on all connections, present and new, while they stay open. */
  stall(how: Exclude<Stall, 'none'>): void {
    this.stalled = how;
    for (const pair of this.pairs) this.apply(pair, how);
  }

  /** Stops traffic on the present connections for good; new ones are served. A firewall that forgot its state does this. */
  forget(): void {
    for (const pair of this.pairs) this.apply(pair, 'both');
    this.pairs.forEach(pair => this.forgotten.add(pair));
  }
  private readonly forgotten = new Set<Pair>();

  /** Serves as at the beginning; what was stalled goes on. */
  heal(): void {
    this.refusing = false;
    this.stalled = 'none';
    for (const pair of this.pairs) {
      if (!this.forgotten.has(pair)) this.apply(pair, 'none');
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise(resolve => this.server.close(resolve));
  }
}
