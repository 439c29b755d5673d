/** A packet filter that is read as it is and changed on paper. */
import type { Firewall } from '../../dataplane/firewall/firewall.js';
import type { NoteChange } from './changes.js';

/**
 * What is read stays as it is, so that a change that is asked for again is not noted again. What nft would refuse is refused
 * here too: the plan then goes on as the agent would, with iptables.
 */
export function dryFirewall(firewall: Firewall, note: NoteChange): Firewall {
  const noted = new Set<string>();
  return {
    read: (names, nat) => firewall.read(names, nat),
    apply: async change => {
      const { text, action, what } = change;
      if (noted.has(text)) return;
      await firewall.rehearse(change);
      noted.add(text);
      note({ where: 'firewall', action, what });
    },
    rehearse: change => firewall.rehearse(change),
    glance: () => Promise.resolve(''),
    listen: () => () => undefined,
  };
}
