/** A packet filter on paper, for tests of what the agent wants of one. */
import type { HeldFirewall, NftTable, SavedTable, Variant } from '../../src/dataplane/firewall/held.js';
import { firewallNamesOf, type FirewallWish } from '../../src/dataplane/firewall/model.js';
import { parseSavedTable } from '../../src/dataplane/firewall/read.js';
import type { IptablesTable } from '../../src/dataplane/firewall/iptables-text.js';
import { NETWORK, subnetOf } from './dataplane.js';

export const NAMES = firewallNamesOf('net');

/** What an agent with `--ip-masq` and a VXLAN device wants. */
export const WISH: FirewallWish = {
  network: NETWORK,
  subnet: subnetOf(1),
  masquerade: 'random-ports',
  forwardDevices: ['flannel.1'],
};

/** A host on which nothing is installed, but for what is given. */
export function heldFirewall(
  given: {
    readonly nft?: { readonly own?: NftTable | undefined; readonly flannel?: NftTable | undefined };
    readonly iptables?: Partial<Record<Variant, Partial<Record<IptablesTable, string>>>>;
  } = {},
): HeldFirewall {
  const { nft, iptables = {} } = given;
  const variants = (['nft', 'legacy'] as const).filter(variant => iptables[variant] !== undefined);
  return {
    nft: nft && { ok: true, value: { own: nft.own, flannel: nft.flannel } },
    iptables: variants.map(variant => {
      const texts = iptables[variant];
      const filter = texts?.filter === undefined ? undefined : savedTable(texts.filter, 'filter');
      const nat = texts?.nat === undefined ? undefined : savedTable(texts.nat, 'nat');
      return { variant, held: { ok: true, value: { variant, filter, nat } } };
    }),
  };
}

/** @param lines of iptables-save, without `*table` and COMMIT */
export function savedTable(lines: string, table: IptablesTable = 'filter'): SavedTable {
  return parseSavedTable(`*${table}\n${lines}\nCOMMIT\n`, table)!;
}

/** What `iptables-restore --noflush` makes of a table. @throws Error where the program would refuse all of it */
export function restored(table: SavedTable, text: string): SavedTable {
  const rules = new Map([...table.rules].map(([chain, each]) => [chain, [...each]]));
  const inChain = (chain: string) => {
    const found = rules.get(chain);
    if (found === undefined) throw new Error(`no chain ${chain}`);
    return found;
  };
  for (const line of text.split('\n').filter(each => each !== '' && !/^(?:\*|COMMIT)/.test(each))) {
    const [command = '', chain = ''] = line.split(' ');
    const rule = line.split(' ').slice(2).join(' ');
    if (command.startsWith(':')) rules.set(command.slice(1), []);
    else if (command === '-A') inChain(chain).push(rule);
    else if (command === '-I') {
      const [, place = '', spec = ''] = /^(\d+) (.*)$/.exec(rule) ?? [];
      inChain(chain).splice(Number(place) - 1, 0, spec);
    } else if (command === '-D') {
      const index = inChain(chain).indexOf(rule);
      if (index < 0) throw new Error(`no rule ${rule} in ${chain}`);
      inChain(chain).splice(index, 1);
    } else if (command === '-F') inChain(chain).length = 0;
    else if (command === '-X') {
      const isUsed = [...rules.values()].flat().some(each => each.endsWith(` ${chain}`));
      if (isUsed || inChain(chain).length > 0) throw new Error(`chain ${chain} is in use`);
      rules.delete(chain);
    } else throw new Error(`unknown: ${line}`);
  }
  return { policies: table.policies, rules };
}
