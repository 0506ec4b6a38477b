/** Memoizes asynchronous values by key, for work that evaluations of several models share. */
export class Memo {
  private readonly values = new Map<string, Promise<unknown>>();

  /**
   * Returns the value stored under `key`, or calls `make` and stores its result. A rejected promise is not stored, so
   * the next call tries again.
   */
  once<T>(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.values.get(key) as Promise<T> | undefined;
    if (known) return known;
    const made = make();
    this.values.set(key, made);
    made.catch(() => this.values.delete(key)); // do not cache a failed or interrupted attempt
    return made;
  }
}
