/** Colours for a terminal. Pure. */

export type Tone = 'good' | 'warning' | 'bad' | 'dim';

/** Puts a text into the colour of what it says. */
export type Paint = (tone: Tone, text: string) => string;

/** Select Graphic Rendition (ECMA-48, 8.3.117); bold with the colours of a verdict, for eyes that tell none apart. */
const CODES: Readonly<Record<Tone, string>> = { good: '1;32', warning: '1;33', bad: '1;31', dim: '2' };

/** What a pipe gets: the text alone. */
export const noPaint: Paint = (_, text) => text;

/** What a terminal gets; every line for itself, so that what is cut from it is whole. */
export const colourPaint: Paint = (tone, text) =>
  text
    .split('\n')
    .map(line => (line === '' ? '' : `\u001b[${CODES[tone]}m${line}\u001b[0m`))
    .join('\n');
