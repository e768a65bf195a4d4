import { StringDecoder } from "node:string_decoder";

/** Longer lines are passed on in pieces, so that output without line ends needs no memory. */
const LONGEST_LINE = 64 * 1024;

/** Cuts a stream of text into lines. What follows the last line end waits for the rest, or for `end`. */
export class LineSplitter {
  readonly #emit: (line: string) => void;
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";

  constructor(emit: (line: string) => void) {
    this.#emit = emit;
  }

  /** Bytes are UTF-8; a character may be spread over two pushes. */
  push(chunk: string | Uint8Array): void {
    const added = typeof chunk === "string" ? chunk : this.#decoder.write(chunk);
    // Joined without being looked at again: text may come letter by letter.
    if (this.#rest.length + added.length <= LONGEST_LINE && !added.includes("\n")) {
      this.#rest += added;
      return;
    }
    let text = this.#rest + added;
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      this.#emitLong(text, start, end > start && text[end - 1] === "\r" ? end - 1 : end);
      start = end + 1;
    }
    while (text.length - start > LONGEST_LINE) {
      this.#emit(text.slice(start, start + LONGEST_LINE));
      start += LONGEST_LINE;
    }
    if (start > 0) text = text.slice(start);
    this.#rest = text;
  }

  /** Passes on what is left without a line end. */
  end(): void {
    const text = this.#rest + this.#decoder.end();
    this.#rest = "";
    if (text !== "") this.#emitLong(text, 0, text.length);
  }

  #emitLong(text: string, from: number, to: number): void {
    let start = from;
    while (to - start > LONGEST_LINE) {
      this.#emit(text.slice(start, start + LONGEST_LINE));
      start += LONGEST_LINE;
    }
    this.#emit(text.slice(start, to));
  }
}
