/** Facts of a host whose peers were probed for a while. */
import type { Test } from 'tap';
import type { Facts } from '../../src/daemon/facts.js';
import { probeTargetOf, type Probing } from '../../src/daemon/probing.js';
import { PeerMonitor } from '../../src/probe/peer-monitor.js';
import type { ProbeTarget } from '../../src/probe/peer.js';
import { answerAs, type Answers } from './probe-network.js';
import { entryOf, joined } from './status-facts.js';

export const whole: Answers = () => 'answered';
export const silent: Answers = () => 'silent';

/** A host with peers 2, 3 …, probed for a while on one network and then on another. */
export async function probed(
  t: Test,
  count: number,
  networks: readonly ((target: ProbeTarget) => Answers)[],
): Promise<{ facts: Facts; probing: Probing }> {
  const { facts, reconciling } = joined(
    t,
    Array.from({ length: count }, (_, i) => entryOf(i + 2)),
  );
  await reconciling.settled();
  const monitor = new PeerMonitor({
    ...{
      rate: 20,
      timeoutMs: 1_000,
      identifier: 7,
      cookie: Buffer.from('selvedge'),
      isProgrammed: () => true,
    },
  });
  const { overlay, backend } = facts;
  const targets = new Map(
    [...overlay!.peers!.accepted].map(([key, lease]) => [
      key,
      probeTargetOf(lease, overlay!.self!, backend!),
    ]),
  );
  monitor.setTargets(targets, 0);
  const byAddress = new Map(
    [...targets.values()].flatMap(target => [
      [target.underlay, target],
      [target.overlay, target],
    ]),
  );
  for (const [i, network] of networks.entries())
    answerAs(monitor, i * 30_000, 30_000, (address, size) => network(byAddress.get(address)!)(address, size));
  const probing: Probing = { monitor, rate: 20, trouble: undefined, isReceiving: false };
  facts.probing = probing;
  return { facts, probing };
}
