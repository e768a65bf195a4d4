/** Shorter values are not masked: they would black out ordinary words. */
const SHORTEST = 4;
const MASK = "***";

/**
 * Replaces secrets by `***` in whatever is stored or shown. A value is registered when a task gets it (a connection's password); its
 * lines, and the forms it takes in JSON, URLs and base64, go with it.
 */
export class SecretMasker {
  readonly #values = new Set<string>();
  #pattern: RegExp | undefined;

  /** From now on `value` is masked. Values of fewer than 4 characters are ignored. */
  register(value: string | null | undefined): void {
    if (value === null || value === undefined) return;
    const sizeBefore = this.#values.size;
    for (const form of formsOf(value)) if (form.length >= SHORTEST) this.#values.add(form);
    if (this.#values.size > sizeBefore) this.#pattern = patternOf(this.#values);
  }

  /** `text` without any registered secret. */
  readonly mask = (text: string): string => (this.#pattern === undefined ? text : text.replace(this.#pattern, MASK));
}

function formsOf(value: string): string[] {
  const lines = value.split(/\r?\n/).filter((line) => line.trim().length >= 2 * SHORTEST);
  const plain = [value, value.trim(), ...(lines.length > 1 ? lines : [])];
  return plain.flatMap((text) => [
    text,
    JSON.stringify(text).slice(1, -1),
    encodeURIComponent(text),
    Buffer.from(text).toString("base64").replace(/=+$/, ""),
    Buffer.from(text).toString("base64url"),
  ]);
}

/** Longest first, so that a secret that contains another one is replaced whole. */
function patternOf(values: ReadonlySet<string>): RegExp {
  const sorted = [...values].sort((left, right) => right.length - left.length);
  return new RegExp(sorted.map((value) => escapeForRegExp(value)).join("|"), "g");
}

function escapeForRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
