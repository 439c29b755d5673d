/** The page's colours in both schemes: text is legible on all that it stands on (WCAG 2.1, 1.4.3 and 1.4.11, level AA). */
import t from 'tap';
import { PAGE_CSS } from '../../../src/daemon/page/style.js';

/** Of text, and of what only has to be seen: the rim of a field, the dot beside the verdict. */
const [TEXT, SHAPE] = [4.5, 3];

const PAIRS: readonly (readonly [colour: string, grounds: readonly string[], least: number])[] = [
  ['ink', ['paper', 'raised', 'warn-paper', 'bad-paper'], TEXT],
  ['dim', ['paper', 'raised', 'warn-paper', 'bad-paper'], TEXT],
  ['bad', ['raised', 'bad-paper'], TEXT],
  ['warn', ['raised', 'warn-paper'], TEXT],
  ['edge', ['paper', 'raised'], SHAPE],
  ['good', ['paper', 'raised'], SHAPE],
  ['warn', ['paper'], SHAPE],
  ['bad', ['paper'], SHAPE],
];

/** Relative luminance as WCAG 2.1 defines it. @param colour `#rrggbb` */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map(at => {
    const share = parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].toSorted((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

t.equal(contrast('#000000', '#ffffff'), 21);

const schemes = [...PAGE_CSS.matchAll(/:root \{([^}]*)\}/g)].map(
  ([, text = '']) =>
    new Map([...text.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name, colour]) => [name!, colour!])),
);

t.equal(schemes.length, 2);
for (const [i, colours] of schemes.entries()) {
  t.test(i === 0 ? 'light' : 'dark', async t => {
    for (const [colour, grounds, least] of PAIRS) {
      for (const ground of grounds) {
        const found = contrast(colours.get(colour)!, colours.get(ground)!);
        t.ok(found >= least, `${colour} on ${ground}: ${found.toFixed(2)} of ${least}`);
      }
    }
  });
}
