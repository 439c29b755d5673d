/**
 * Go's flag syntax, as flannel's users have it in their units, brought into the form that the parser knows. Pure.
 *
 * Go takes one dash for two, and a value option takes the next word whatever it looks like (package flag).
 */

export type FlagKind = 'value' | 'list' | 'switch';

/**
 * Rewrites known flags to `--name=value`; everything else stays as it is, for the parser to name.
 * @param args words of the command line behind the command's name
 * @param kinds known flags by name without dashes
 * @returns the words, and the value option at the end that lacks its value
 */
export function fromGoFlags(
  args: readonly string[],
  kinds: ReadonlyMap<string, FlagKind>,
): { readonly args: string[]; readonly missing: string | undefined } {
  const result: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (word === '--') return { args: [...result, ...args.slice(i)], missing: undefined };
    const [, name = '', value] = /^--?([A-Za-z][\w-]*)(?:=(.*))?$/s.exec(word) ?? [];
    const kind = kinds.get(name);
    if (kind === undefined) result.push(name === 'help' ? '--help' : word);
    else if (value !== undefined) result.push(`--${name}=${value}`);
    else if (kind === 'switch') result.push(`--${name}=true`);
    else if (++i < args.length) result.push(`--${name}=${args[i]!}`);
    else return { args: result, missing: name };
  }
  return { args: result, missing: undefined };
}
