/** A firewall of one variant of iptables, on paper: changes do what they say. */
import { FirewallError, type Firewall } from '../../src/dataplane/firewall/firewall.js';
import type { HeldFirewall, NftTable } from '../../src/dataplane/firewall/held.js';
import type { Change } from '../../src/dataplane/firewall/plan.js';
import { restored, savedTable } from './firewall.js';

export const DROPPING = ':FORWARD DROP [0:0]';

export class PaperFirewall implements Firewall {
  filter = savedTable(DROPPING);
  nat = savedTable(':POSTROUTING ACCEPT [0:0]', 'nat');
  /** Undefined: nft is not installed. */
  nft: HeldFirewall['nft'];
  /** What nft makes, where it is not refused. */
  nftTable: NftTable | undefined;
  readonly applied: Change[] = [];
  reads = 0;
  legacyText = '';
  refuse: (change: Change) => string | undefined = () => undefined;
  announce: () => void = () => undefined;

  read(): Promise<HeldFirewall> {
    this.reads++;
    const value = { variant: 'nft', filter: this.filter, nat: this.nat } as const;
    return Promise.resolve({ nft: this.nft, iptables: [{ variant: 'nft', held: { ok: true, value } }] });
  }

  async apply(change: Change): Promise<void> {
    await this.rehearse(change);
    this.applied.push(change);
    if (change.tool === 'nft') this.nft = { ok: true, value: { own: this.nftTable, flannel: undefined } };
    else if (change.text.startsWith('*nat')) this.nat = restored(this.nat, change.text);
    else this.filter = restored(this.filter, change.text);
  }

  rehearse(change: Change): Promise<void> {
    const refusal = this.refuse(change);
    return refusal === undefined ? Promise.resolve() : Promise.reject(new FirewallError(refusal));
  }

  glance(): Promise<string> {
    return Promise.resolve(this.legacyText);
  }

  listen(_: unknown, onChange: () => void): () => void {
    this.announce = onChange;
    return () => (this.announce = () => undefined);
  }

  /** As `iptables -F` and `-X` do, which leave the policy. */
  flush(): void {
    this.filter = savedTable(DROPPING);
    this.announce();
  }
}
