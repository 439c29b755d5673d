/** Which keys share a name: a map of sets that leaves no empty set behind. */
export class KeyIndex {
  readonly #keys = new Map<string, Set<string>>();

  add(name: string, key: string): void {
    const keys = this.#keys.get(name);
    if (keys === undefined) this.#keys.set(name, new Set([key]));
    else keys.add(key);
  }

  remove(name: string, key: string): void {
    const keys = this.#keys.get(name);
    if (keys?.delete(key) === true && keys.size === 0) this.#keys.delete(name);
  }

  /** The keys under this name. */
  get(name: string): Iterable<string> {
    return this.#keys.get(name) ?? [];
  }

  /** Every key under any name. */
  *all(): Iterable<string> {
    for (const keys of this.#keys.values()) yield* keys;
  }

  get isEmpty(): boolean {
    return this.#keys.size === 0;
  }
}
