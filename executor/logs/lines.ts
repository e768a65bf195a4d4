/** Longest line that is stored in one piece, characters; a longer one continues on the next. */
export const MAX_LINE = 32_768;

/** Cuts a stream of text into lines. The last, unfinished one is kept until the rest of it comes or `end` is called. */
export class LineSplitter {
  #rest = "";

  /** The lines that are complete now; `\r\n` and `\n` both end one. */
  push(text: string): string[] {
    const pieces = text.split("\n");
    const last = pieces.pop() ?? "";
    const lines: string[] = [];
    for (const piece of pieces) {
      const line = this.#rest === "" ? piece : this.#rest + piece;
      this.#rest = "";
      cut(line.endsWith("\r") ? line.slice(0, -1) : line, lines);
    }
    this.#rest += last;
    while (this.#rest.length > MAX_LINE) {
      lines.push(this.#rest.slice(0, MAX_LINE));
      this.#rest = this.#rest.slice(MAX_LINE);
    }
    return lines;
  }

  /** The unfinished last line, if there is one. */
  end(): string[] {
    const rest = this.#rest;
    this.#rest = "";
    return rest === "" ? [] : [rest];
  }
}

function cut(line: string, into: string[]): void {
  for (let from = 0; from < line.length; from += MAX_LINE) into.push(line.slice(from, from + MAX_LINE));
  if (line === "") into.push("");
}
