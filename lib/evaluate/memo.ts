/** Values made once for a key and kept: what evaluations of many models have in common. */
export class Memo {
  private readonly values = new Map<string, Promise<unknown>>();

  once<T>(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.values.get(key) as Promise<T> | undefined;
    if (known) return known;
    const made = make();
    this.values.set(key, made);
    made.catch(() => this.values.delete(key)); // an interrupted attempt is no value
    return made;
  }
}
