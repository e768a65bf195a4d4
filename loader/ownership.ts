/** Which file defines which DAG: the first to do so keeps the id until it lets go. */
export class Ownership {
  readonly #files = new Map<string, string>();
  readonly #waiting = new Map<string, Set<string>>();

  /** The file that defines the DAG. */
  ownerOf(dagId: string): string | undefined {
    return this.#files.get(dagId);
  }

  /** The DAGs of a file, sorted. */
  dagsOf(file: string): string[] {
    return [...this.#files].flatMap(([dagId, owner]) => (owner === file ? [dagId] : [])).sort();
  }

  /** Every file that owns a DAG. */
  files(): Iterable<string> {
    return this.#files.values();
  }

  take(dagId: string, file: string): void {
    this.#files.set(dagId, file);
    this.#waiting.get(dagId)?.delete(file);
  }

  /** Lets go of a DAG; gives the files that were refused because of it. */
  release(dagId: string): readonly string[] {
    this.#files.delete(dagId);
    const waiting = [...(this.#waiting.get(dagId) ?? [])];
    this.#waiting.delete(dagId);
    return waiting;
  }

  /** Remembers that a file was refused because another one owns the DAG. */
  refuse(dagId: string, file: string): void {
    const waiting = this.#waiting.get(dagId) ?? new Set();
    waiting.add(file);
    this.#waiting.set(dagId, waiting);
  }

  /** A file that no longer claims anything it was refused for. */
  forgetRefusals(file: string): void {
    for (const waiting of this.#waiting.values()) waiting.delete(file);
  }
}
