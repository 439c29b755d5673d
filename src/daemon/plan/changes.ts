/** What a plan is made of. */

/** One thing that an agent would do. */
export interface PlannedChange {
  readonly where: 'etcd' | 'kernel' | 'firewall' | 'file';
  readonly action: 'create' | 'change' | 'remove' | 'write';
  /** In the field's words: `route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink`, a key, a path. */
  readonly what: string;
}

/** Takes the changes down in the order in which they would be made. */
export type NoteChange = (change: PlannedChange) => void;
