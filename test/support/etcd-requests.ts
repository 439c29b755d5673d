/** What an etcd has been asked, by its own count: its /metrics, as every etcd serves them on its client URL. */

/** Calls and messages since etcd started, by method, such as `Range`; methods never called are absent. */
export interface EtcdRequests {
  /** Calls that began; a stream is one, however long it lasts. */
  readonly started: Readonly<Record<string, number>>;
  /** Messages from clients; more than one a call only on streams. */
  readonly received: Readonly<Record<string, number>>;
}

/** A line of go-grpc-prometheus: `grpc_server_started_total{grpc_method="Range",grpc_service="…",grpc_type="…"} 7`. */
const LINE = /^grpc_server_(started|msg_received)_total\{[^}]*grpc_method="(\w+)"[^}]*\} ([0-9.e+]+)$/gm;

/** @param url of etcd itself, `http://host:port`; asking is no gRPC call and does not count */
export async function readEtcdRequests(url: string): Promise<EtcdRequests> {
  return parseEtcdRequests(await (await fetch(`${url}/metrics`)).text());
}

/** @param text what etcd's /metrics says */
export function parseEtcdRequests(text: string): EtcdRequests {
  const started: Record<string, number> = {};
  const received: Record<string, number> = {};
  for (const [, kind, method, value] of text.matchAll(LINE)) {
    const count = Number(value);
    if (count > 0) (kind === 'started' ? started : received)[method!] = count;
  }
  return { started, received };
}

/** What came between two readings; methods without a call in between are absent. */
export function requestsBetween(before: EtcdRequests, after: EtcdRequests): EtcdRequests {
  return {
    started: differences(before.started, after.started),
    received: differences(before.received, after.received),
  };
}

function differences(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Record<string, number> {
  const grown = Object.entries(after).map(
    ([method, count]) => [method, count - (before[method] ?? 0)] as const,
  );
  return Object.fromEntries(grown.filter(([, count]) => count > 0));
}
