/**
 * Files of variables and lists of words as systemd reads them: what an operator types must not understand them otherwise than the
 * agent's unit does. Pure.
 */

/** What a file of `EnvironmentFile=` says. */
export interface EnvironmentFile {
  /** Of a name that comes twice, the last value. */
  readonly variables: ReadonlyMap<string, string>;
  /** What stands where a name should and is none, such as `export X`: systemd passes these lines over. */
  readonly ignored: readonly string[];
}

type State =
  'line' | 'comment' | 'name' | 'before' | 'bare' | 'escape' | 'single' | 'double' | 'double-escape';

const NEWLINE = '\n\r';
const SPACE = ` \t${NEWLINE}`;

/**
 * As systemd.exec(5) has it, state for state (parse_env_file_internal of its src/basic/env-file.c). Values go over several lines in
 * quotes or behind a backslash; a `#` behind a value is part of it; quotes inside one mean themselves.
 */
export function parseEnvironmentFile(text: string): EnvironmentFile {
  const variables = new Map<string, string>();
  const ignored: string[] = [];
  let state: State = 'line';
  let name = '';
  let value = '';
  // White space at the end goes, unless it was quoted.
  let quotedTo = 0;
  const finish = () => {
    const whole = state === 'bare' ? value.slice(0, quotedTo) + value.slice(quotedTo).trimEnd() : value;
    if (/^[A-Za-z_]\w*$/.test(name.trimEnd())) variables.set(name.trimEnd(), whole);
    else ignored.push(name.trimEnd());
    state = 'line';
  };
  const quote = (c: string, next: State) => {
    value += c;
    quotedTo = value.length;
    state = next;
  };
  for (const c of text) {
    const isEnd = NEWLINE.includes(c);
    switch (state) {
      case 'line':
        if ('#;'.includes(c)) state = 'comment';
        else if (!SPACE.includes(c)) [state, name, value, quotedTo] = ['name', c, '', 0];
        break;
      case 'comment':
        if (isEnd) state = 'line';
        break;
      case 'name':
        if (isEnd) state = 'line';
        else if (c === '=') state = 'before';
        else name += c;
        break;
      case 'before':
        if (isEnd) finish();
        else if (c === "'") state = 'single';
        else if (c === '"') state = 'double';
        else if (c === '\\') state = 'escape';
        else if (!SPACE.includes(c)) [state, value] = ['bare', value + c];
        break;
      case 'bare':
        if (isEnd) finish();
        else if (c === '\\') state = 'escape';
        else value += c;
        break;
      case 'escape':
        quote(isEnd ? '' : c, 'bare');
        break;
      case 'single':
        if (c === "'") state = 'before';
        else quote(c, state);
        break;
      case 'double':
        if (c === '"') state = 'before';
        else if (c === '\\') state = 'double-escape';
        else quote(c, state);
        break;
      case 'double-escape':
        quote('"\\`$'.includes(c) ? c : c === '\n' ? '' : `\\${c}`, 'double');
        break;
    }
  }
  if (!['line', 'comment', 'name'].includes(state)) finish();
  return { variables, ignored };
}

/**
 * As systemd splits `$NAME` of a command line (extract_first_word, relaxed and with quotes): at white space; quotes go, and one
 * without its end holds all the rest; a backslash goes too, and quotes the next character, also in quotes.
 */
export function splitWords(text: string): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  let isEscaped = false;
  for (const c of text) {
    if (isEscaped) [word, isEscaped] = [(word ?? '') + c, false];
    else if (c === '\\') isEscaped = true;
    else if (quote !== undefined) {
      if (c === quote) quote = undefined;
      else word = (word ?? '') + c;
    } else if (c === "'" || c === '"') [word, quote] = [word ?? '', c];
    else if (!SPACE.includes(c)) word = (word ?? '') + c;
    else if (word !== undefined) {
      words.push(word);
      word = undefined;
    }
  }
  return word === undefined ? words : [...words, word];
}
