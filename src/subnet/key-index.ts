/** Which keys share a name. Nearly every name has one key alone, which therefore stands there by itself. */
export class KeyIndex {
  readonly #keys = new Map<string, string | Set<string>>();

  add(name: string, key: string): void {
    const present = this.#keys.get(name);
    if (present === undefined) this.#keys.set(name, key);
    else if (typeof present !== 'string') present.add(key);
    else if (present !== key) this.#keys.set(name, new Set([present, key]));
  }

  remove(name: string, key: string): void {
    const present = this.#keys.get(name);
    if (present === key) this.#keys.delete(name);
    if (typeof present !== 'object' || !present.delete(key) || present.size > 1) return;
    const [last] = present;
    this.#keys.set(name, last!);
  }

  /** The keys under this name. */
  under(name: string): readonly string[] {
    const present = this.#keys.get(name);
    if (present === undefined) return [];
    return typeof present === 'string' ? [present] : Array.from(present);
  }

  /** The keys under this name but this one. */
  others(name: string, key: string): readonly string[] {
    return this.under(name).filter(each => each !== key);
  }

  /** Every key under any name. */
  *all(): Iterable<string> {
    for (const keys of this.#keys.values()) {
      if (typeof keys === 'string') yield keys;
      else yield* keys;
    }
  }

  get isEmpty(): boolean {
    return this.#keys.size === 0;
  }
}
