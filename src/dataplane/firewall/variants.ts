/** Which variants of iptables are installed, and which tables of legacy iptables exist. */
import { access, readFile } from 'node:fs/promises';
import { VARIANTS, type Variant } from './held.js';
import type { IptablesTable } from './iptables-text.js';
import { runProgram, type FindProgram } from './programs.js';

/** The programs of one variant. */
export interface IptablesPrograms {
  readonly variant: Variant;
  readonly save: string;
  readonly restore: string;
}

/** The programs called iptables on this host. */
export class IptablesFinder {
  readonly #find: FindProgram;
  #plain: { readonly path: string; readonly variant: Variant } | undefined;

  constructor(find: FindProgram) {
    this.#find = find;
  }

  /**
   * Finds the programs of each variant, under the names that say which one it is, or under those that don't.
   * @param legacyTables as `findLegacyTables` found them
   * @returns the variant first whose tables are in use, or which is meant by `iptables`
   */
  async find(legacyTables: ReadonlySet<string>): Promise<IptablesPrograms[]> {
    const plain = await this.#plainVariant();
    const first = legacyTables.size > 0 ? 'legacy' : plain;
    const found: IptablesPrograms[] = [];
    for (const variant of VARIANTS) {
      const programs =
        (await this.#findNamed(variant, `iptables-${variant}`)) ??
        (variant === plain ? await this.#findNamed(variant, 'iptables') : undefined);
      if (programs !== undefined) found.push(programs);
    }
    return found.toSorted((a, b) => Number(b.variant === first) - Number(a.variant === first));
  }

  async #findNamed(variant: Variant, name: string): Promise<IptablesPrograms | undefined> {
    const [save, restore] = [await this.#find(`${name}-save`), await this.#find(`${name}-restore`)];
    return save === undefined || restore === undefined ? undefined : { variant, save, restore };
  }

  /** The variant behind the name `iptables`, asked for once as long as that is the same file. */
  async #plainVariant(): Promise<Variant | undefined> {
    const path = await this.#find('iptables');
    if (path === undefined) return undefined;
    if (this.#plain?.path === path) return this.#plain.variant;
    const version = await runProgram(path, ['--version']).catch(() => undefined);
    if (version === undefined) return undefined;
    // Before 1.8 there was but one variant, and it did not say so.
    const variant = version.includes('nf_tables') ? 'nft' : 'legacy';
    this.#plain = { path, variant };
    return variant;
  }
}

/** A line for each table of legacy iptables in this network namespace (net/netfilter/x_tables.c). */
const TABLE_NAMES = '/proc/self/net/ip_tables_names';
/** The modules that bring them, for whom that file is not for to read: it is root's. A built-in one is not seen so. */
const MODULES: readonly (readonly [directory: string, table: IptablesTable])[] = [
  ['/sys/module/iptable_filter', 'filter'],
  ['/sys/module/iptable_nat', 'nat'],
];

/** The tables of legacy iptables that are in use. Asking iptables itself would bring them into being. */
export async function findLegacyTables(): Promise<ReadonlySet<string>> {
  try {
    return new Set((await readFile(TABLE_NAMES, 'utf8')).split('\n').filter(name => name !== ''));
  } catch (error) {
    const found = new Set<string>();
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') return found;
    for (const [directory, table] of MODULES)
      await access(directory).then(
        () => found.add(table),
        () => undefined,
      );
    return found;
  }
}
