/** The packet filter of this process's network namespace, by nft and iptables. */
import { FirewallError, type Firewall } from './firewall.js';
import type { HeldFirewall, HeldNft, HeldVariant, NftTable, Reading, SavedTable } from './held.js';
import type { IptablesTable } from './iptables-text.js';
import type { FirewallNames } from './model.js';
import { kernelHasNfTables } from './nf-tables.js';
import { listenToNft } from './nft-events.js';
import { FLANNEL_NFT_TABLE, type Change } from './plan.js';
import { findInstalled, runProgram, type FindProgram } from './programs.js';
import { parseNftTable, parseSavedTable, parseTableNames, UnreadableError } from './read.js';
import { findLegacyTables, IptablesFinder, type IptablesPrograms } from './variants.js';

/** How long iptables may wait for its lock, seconds. */
const LOCK_SECONDS = '5';

const NO_NF_TABLES = 'this kernel has no nf_tables';

const TABLES: readonly IptablesTable[] = ['filter', 'nat'];

export class SystemFirewall implements Firewall {
  readonly #find: FindProgram;
  readonly #iptables: IptablesFinder;
  readonly #hasNfTables: () => Promise<boolean>;

  /**
   * @param find where programs are looked for; a test hides some
   * @param hasNfTables what the kernel is able to
   */
  constructor(find: FindProgram = findInstalled, hasNfTables = kernelHasNfTables) {
    this.#find = find;
    this.#iptables = new IptablesFinder(find);
    this.#hasNfTables = hasNfTables;
  }

  async read(names: FirewallNames, nat: boolean): Promise<HeldFirewall> {
    const found = await this.#find('nft');
    const hasNfTables = await this.#hasNfTables();
    const nft = hasNfTables ? found : undefined;
    const tables = nft === undefined ? undefined : await readingOf(() => readTableNames(nft));
    const legacyTables = await findLegacyTables();
    const programs = (await this.#iptables.find(legacyTables)).filter(
      ({ variant }) => hasNfTables || variant === 'legacy',
    );
    const wanted = TABLES.filter(table => nat || table === 'filter');
    const iptables: HeldFirewall['iptables'][number][] = [];
    for (const each of programs) {
      // To look at a table of legacy iptables brings it into being; what nft does not list need not be looked at.
      const present =
        each.variant === 'legacy' ? legacyTables : tables?.ok === true ? tables.value : undefined;
      const looked = wanted.filter(table => present?.has(table) ?? true);
      iptables.push({ variant: each.variant, held: await readingOf(() => readVariant(each, looked)) });
    }
    if (nft === undefined || tables === undefined) {
      return { nft: undefined, iptables, ...(found !== undefined && { noNft: NO_NF_TABLES }) };
    }
    return { nft: await this.#readNft(nft, tables, names), iptables };
  }

  async #readNft(
    nft: string,
    tables: Reading<ReadonlySet<string>>,
    { nftTable }: FirewallNames,
  ): Promise<Reading<HeldNft>> {
    if (!tables.ok) return tables;
    const readTable = async (name: string): Promise<NftTable | undefined> => {
      if (!tables.value.has(name)) return undefined;
      return parseNftTable(await runProgram(nft, ['-j', 'list', 'table', 'ip', name]));
    };
    return readingOf(async () => ({
      own: await readTable(nftTable),
      flannel: await readTable(FLANNEL_NFT_TABLE),
    }));
  }

  async apply({ tool, text }: Change): Promise<void> {
    if (tool === 'nft') {
      await this.#runNft(text, []);
      return;
    }
    const programs = await this.#iptables.find(await findLegacyTables());
    const found = programs.find(({ variant }) => tool === `iptables-${variant}`);
    if (found === undefined) throw new FirewallError(`${tool} is not installed any more`);
    await runProgram(found.restore, ['--noflush', '--wait', LOCK_SECONDS], text);
  }

  async rehearse({ tool, text }: Change): Promise<void> {
    if (tool === 'nft') await this.#runNft(text, ['--check']);
  }

  async #runNft(text: string, options: readonly string[]): Promise<void> {
    const nft = await this.#find('nft');
    if (nft === undefined) throw new FirewallError('nft is not installed any more');
    await runProgram(nft, ['-f', '-', ...options], text);
  }

  async glance(): Promise<string> {
    const tables = await findLegacyTables();
    if (tables.size === 0) return '';
    const programs = await this.#iptables.find(tables);
    const legacy = programs.find(({ variant }) => variant === 'legacy');
    if (legacy === undefined) return '';
    const texts: string[] = [];
    for (const table of TABLES.filter(name => tables.has(name))) {
      // Each by its name: only root may ask which there are.
      const saved = await readingOf(() => runProgram(legacy.save, ['-t', table]));
      // Without the time of day, and the counters of chains.
      texts.push(saved.ok ? saved.value.replace(/^#.*$| \[\d+:\d+\]$/gm, '') : saved.error);
    }
    return texts.join('');
  }

  listen(names: FirewallNames, onChange: () => void): () => void {
    return listenToNft(names, onChange);
  }
}

async function readTableNames(nft: string): Promise<ReadonlySet<string>> {
  return parseTableNames(await runProgram(nft, ['-j', 'list', 'tables']));
}

async function readVariant(
  { variant, save }: IptablesPrograms,
  tables: readonly IptablesTable[],
): Promise<HeldVariant> {
  const read = async (table: IptablesTable): Promise<SavedTable | undefined> =>
    tables.includes(table) ? parseSavedTable(await runProgram(save, ['-t', table]), table) : undefined;
  return { variant, filter: await read('filter'), nat: await read('nat') };
}

async function readingOf<T>(read: () => Promise<T>): Promise<Reading<T>> {
  try {
    return { ok: true, value: await read() };
  } catch (error) {
    if (error instanceof FirewallError || error instanceof UnreadableError)
      return { ok: false, error: error.message };
    throw error;
  }
}
