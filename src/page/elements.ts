/**
 * Making and changing what the page shows. Text goes in as text and never as markup: names, keys and reasons come from
 * etcd, where anybody may have written a tag.
 */

/** @throws Error when the page that was served has no such element */
export function elementById(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/** Leaves an element alone that shows this already: what does not change is not drawn again. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** An element with nothing but text in it. */
export function textElement(tag: string, text: string, className = ''): HTMLElement {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className !== '') element.className = className;
  return element;
}

/**
 * Makes a part of the page anew, unless it would come out as it is.
 * @param shown what is told by the part, as plain data
 */
export function replaceIfChanged(part: HTMLElement, shown: unknown, children: () => readonly Node[]): void {
  const before = SHOWN.get(part);
  const now = JSON.stringify(shown);
  if (before === now) return;
  SHOWN.set(part, now);
  part.replaceChildren(...children());
}

const SHOWN = new WeakMap<HTMLElement, string>();
