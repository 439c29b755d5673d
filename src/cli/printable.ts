/** Text from elsewhere made safe for a terminal. Pure. */

/**
 * Plain data, in which every control character of every string is shown as `\xNN`. Keys and reasons come from
 * etcd, where anybody may have written an escape sequence that repaints the operator's terminal, or a newline that
 * fakes a line of ours.
 */
export function printable<T>(data: T): T {
  return convert(data) as T;
}

function convert(data: unknown): unknown {
  if (typeof data === 'string') return escapeControls(data);
  if (typeof data !== 'object' || data === null) return data;
  if (Array.isArray(data)) return data.map(convert);
  // Nearly everything is as it should be, and a copy of ten thousand peers is not free.
  const given = data as Readonly<Record<string, unknown>>;
  let copy: Record<string, unknown> | undefined;
  for (const key in given) {
    const converted = convert(given[key]);
    if (converted !== given[key]) (copy ??= { ...given })[key] = converted;
  }
  return copy ?? data;
}

/** C0, DEL, C1, and the marks that reverse the direction of text. */
const UNPRINTABLE = /[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** Plain data as indented JSON that reads back as the very same data, and in which nothing acts on a terminal. */
export function printableJson(data: unknown): string {
  return JSON.stringify(data, null, 2).replace(UNPRINTABLE, character =>
    // JSON.stringify has escaped the newlines of strings; those that are left are its own.
    character === '\n' ? character : `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  );
}

function escapeControls(text: string): string {
  if (text.search(UNPRINTABLE) < 0) return text;
  return text.replace(UNPRINTABLE, character => {
    const code = character.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
  });
}
