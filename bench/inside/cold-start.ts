/**
 * Programs peers into the kernel of this namespace with the agent's own planner, reconciler and netlink code, in a
 * process that has just started, as an agent does at its start: its reconciler has looked at the kernel while the agent
 * waited for its lease, and waits for peers. The device is there already.
 */
import { writeFileSync } from 'node:fs';
import { pino } from 'pino';
import { parsePrefix } from '../../src/address/prefix.js';
import type { Self } from '../../src/backends/backend.js';
import { configureBackend } from '../../src/backends/registry.js';
import { tuneEngine } from '../../src/daemon/engine.js';
import { NetlinkSocket } from '../../src/dataplane/netlink/socket.js';
import { openTransport } from '../../src/dataplane/netlink/open-transport.js';
import type { Transport } from '../../src/dataplane/netlink/transport.js';
import { NetlinkKernel } from '../../src/dataplane/netlink-kernel.js';
import { Reconciler } from '../../src/dataplane/reconciler.js';
import { PeerTable } from '../../src/subnet/peers.js';
import { KEY_PREFIX, leasesUpTo, NETWORK } from '../peers.js';
import { answer } from './answer.js';
import { frame, isChangeDatagram } from './datagrams.js';

export interface ColdStartTask {
  readonly peers: number;
  readonly underlay: { readonly device: string; readonly address: string; readonly mtu: number };
  /** The overlay device's. */
  readonly mac: string;
  /** Writes every datagram that changes the kernel to this file, see `datagrams.ts`; costs time. */
  readonly recordTo?: string;
}

export interface ColdStartAnswer {
  /** Keys and values read and judged: from what etcd listed to accepted leases. Not part of the total. */
  readonly judgeMs: number;
  /** From the first accepted lease handed over to the last entry acknowledged, all with planning and encoding. */
  readonly totalMs: number;
  /** Processor time of the whole process during `totalMs`, which other work on the machine does not lengthen much. */
  readonly processorMs: number;
  /** What is done later: the indexes that the next change needs. */
  readonly booksMs: number;
  readonly messages: number;
}

await answer('cold-start', async task => {
  tuneEngine();
  const recorded: Uint8Array[] = [];
  const transport = openTransport();
  const socket = new NetlinkSocket(task.recordTo === undefined ? transport : recording(transport, recorded));
  const configured = configureBackend('vxlan', {});
  if (!configured.ok) throw new Error('the vxlan backend takes no empty settings');
  const { backend } = configured;
  const subnets = { ipv4: parsePrefix('10.250.0.0/24')! };
  const underlay = { ...task.underlay, publicIp: task.underlay.address, routes: [] };
  const self: Self = { subnets, underlay, mac: task.mac };
  const network = parsePrefix(NETWORK)!;

  const abort = new AbortController();
  let looked: () => void;
  const firstPass = new Promise<void>(resolve => (looked = resolve));
  let ended = 0;
  let processor = process.cpuUsage();
  const reconciler: Reconciler = new Reconciler({
    kernel: new NetlinkKernel(socket),
    ownership: {
      network,
      devices: new Set([backend.device!]),
      underlay: underlay.device,
      peerAt: () => undefined,
    },
    log: pino({ level: 'silent' }),
    now: () => performance.now(),
    random: () => 0.5,
    onPass: () => {
      looked();
      if (!reconciler.view.settled) return;
      ended = performance.now();
      processor = process.cpuUsage(processor);
      abort.abort();
    },
  });
  const running = reconciler.run(abort.signal);
  await firstPass;

  const listed = leasesUpTo(task.peers);
  const listedAt = performance.now();
  const table = new PeerTable({
    keyPrefix: KEY_PREFIX,
    network,
    own: { key: `${KEY_PREFIX}10.250.0.0-24`, subnets, addresses: [underlay.address] },
    judge: lease => backend.judge(lease, self),
  });
  table.apply(listed.map(entry => ({ kind: 'put', entry })));
  const judgeMs = performance.now() - listedAt;
  const { links, entries } = backend.planHost(self);

  processor = process.cpuUsage();
  const began = performance.now();
  reconciler.setHost(links, entries);
  reconciler.setPeers([...table.accepted.values()], lease => backend.planPeer(lease, self));
  reconciler.setPeersComplete();
  reconciler.allowPruning();
  await running;

  const booksAt = performance.now();
  reconciler.peerState(listed[0]!.key);
  const booksMs = performance.now() - booksAt;
  const missing = listed.filter(({ key }) => !reconciler.peerState(key).programmed).length;
  if (missing > 0) throw new Error(`${missing} of ${task.peers} peers are not programmed`);
  const messages = socket.stats.changes;
  socket.close();
  if (task.recordTo !== undefined) writeFileSync(task.recordTo, frame(recorded));
  const processorMs = (processor.user + processor.system) / 1000;
  return { judgeMs, totalMs: ended - began, processorMs, booksMs, messages };
});

/** The same transport, with a copy of every datagram that changes the kernel. */
function recording(transport: Transport, to: Uint8Array[]): Transport {
  return {
    port: transport.port,
    answerCapacity: transport.answerCapacity,
    onMessage: listener => transport.onMessage(listener),
    onError: listener => transport.onError(listener),
    close: () => transport.close(),
    send: (bytes, callback) => {
      if (isChangeDatagram(bytes)) to.push(Uint8Array.from(bytes));
      transport.send(bytes, callback);
    },
  };
}
