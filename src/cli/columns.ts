/** Tables for people: aligned columns of text. Pure. */

/** Blanks between two columns. */
const GAP = '  ';

/**
 * Lays a table out: every column as wide as its widest cell, all aligned to the left.
 * @param header column titles
 * @param rows cells in the order of the titles; a missing cell is blank
 * @returns one line a row with the header first, no blanks at line ends, no newline at the end
 */
export function formatColumns(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) =>
    // Not one call with all of them: it would have as many arguments as there are rows.
    lines.reduce((widest, cells) => Math.max(widest, widthOf(cells[column] ?? '')), 0),
  );
  return lines
    .map(cells => widths.map((width, column) => pad(cells[column] ?? '', width)).join(GAP))
    .map(line => line.trimEnd())
    .join('\n');
}

/** Counts code points, not UTF-16 units; wide East Asian characters do not occur in what we print. */
function widthOf(text: string): number {
  return Array.from(text).length;
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(width - widthOf(text));
}
