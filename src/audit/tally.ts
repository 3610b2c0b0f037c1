/** Counts of things by key, of which there may be too many to keep: what comes when it is full is only counted. */
export class Tally<Item> {
  readonly #most: number;
  readonly #items = new Map<string, Item>();
  #uncounted = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** The item of the key, made when it is new; undefined when there is no room for it. */
  at(key: string, make: () => Item): Item | undefined {
    const known = this.#items.get(key);
    if (known !== undefined) return known;
    if (this.#items.size >= this.#most) {
      this.#uncounted++;
      return undefined;
    }
    const item = make();
    this.#items.set(key, item);
    return item;
  }

  /** In the order in which they came. */
  items(): readonly Item[] {
    return [...this.#items.values()];
  }

  /** How many events found no room. */
  get uncounted(): number {
    return this.#uncounted;
  }
}
