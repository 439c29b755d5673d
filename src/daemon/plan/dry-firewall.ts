/** A packet filter that is read as it is and changed on paper. */
import type { Firewall } from '../../dataplane/firewall/firewall.js';
import type { NoteChange } from './changes.js';

/** What is read stays as it is, so that a change that is asked for again is not noted again. */
export function dryFirewall(firewall: Firewall, note: NoteChange): Firewall {
  const noted = new Set<string>();
  return {
    read: (names, nat) => firewall.read(names, nat),
    apply: ({ text, action, what }) => {
      if (!noted.has(text)) note({ where: 'firewall', action, what });
      noted.add(text);
      return Promise.resolve();
    },
    glance: () => Promise.resolve(''),
    listen: () => () => undefined,
  };
}
