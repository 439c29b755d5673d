/** A table of which only those rows are drawn again that have changed. */
import { setText, textElement } from './elements.js';

export interface TableRow {
  /** Never shown; what makes it the same row as before. */
  readonly key: string;
  /** As many as there are columns. */
  readonly cells: readonly string[];
  /** Class of the row. */
  readonly tone: string;
}

export class KeyedTable {
  readonly #rows = new Map<string, HTMLTableRowElement>();

  /** @param columns titles, which small screens show in each cell */
  constructor(
    private readonly body: HTMLTableSectionElement,
    private readonly columns: readonly string[],
  ) {}

  /** Shows these rows, and no others, in this order. */
  show(rows: readonly TableRow[]): void {
    const wanted = new Set(rows.map(({ key }) => key));
    for (const [key, element] of this.#rows) {
      if (wanted.has(key)) continue;
      element.remove();
      this.#rows.delete(key);
    }
    let place = this.body.firstElementChild;
    for (const row of rows) {
      const element = this.#update(row);
      // One row that leaves its place for another further down: the rest stays where it is.
      if (place !== null && place !== element && place.nextElementSibling === element) {
        const moved = place;
        place = element;
        moved.remove();
      }
      if (place === element) place = element.nextElementSibling;
      else this.body.insertBefore(element, place);
    }
  }

  #update({ key, cells, tone }: TableRow): HTMLTableRowElement {
    const element = this.#rows.get(key) ?? this.#create(key, cells.length);
    if (element.className !== tone) element.className = tone;
    cells.forEach((text, i) => setText(element.children[i]!, text));
    return element;
  }

  #create(key: string, cellCount: number): HTMLTableRowElement {
    const element = document.createElement('tr');
    for (let i = 0; i < cellCount; i++) {
      const cell = textElement('td', '');
      cell.dataset.label = this.columns[i] ?? '';
      element.append(cell);
    }
    this.#rows.set(key, element);
    return element;
  }
}
