/** How a command answers: tables for people, or exactly one JSON value on stdout with `--json`. Remarks and progress go to stderr. */
export interface Output {
  readonly isJson: boolean;
  /** The answer. `rows` become a table unless `--json` is set, which prints `value`. */
  table<T extends object>(value: readonly T[], columns: readonly Column<T>[], empty: string): void;
  /** One thing with its facts. */
  facts(value: object, facts: readonly (readonly [string, unknown])[]): void;
  /** A sentence for people, or `value` as JSON. */
  done(value: object, sentence: string): void;
  /** What long work has come to: one line of stderr that is overwritten, on a terminal only. "" ends it. */
  progress(text: string): void;
  /** Never part of the answer. */
  remark(text: string): void;
}

export interface Column<T> {
  readonly name: string;
  readonly of: (row: T) => unknown;
  /** Right-aligned. */
  readonly isNumber?: boolean;
}

const GAP = "  ";

/** Writes to this process's stdout and stderr. */
export function createOutput(isJson: boolean): Output {
  const json = (value: unknown) => void process.stdout.write(`${JSON.stringify(value)}\n`);
  const text = (line: string) => void process.stdout.write(`${line}\n`);
  return {
    isJson,
    table(value, columns, empty) {
      if (isJson) json(value);
      else if (value.length === 0) text(empty);
      else for (const line of tableLines(value, columns, process.stdout.columns)) text(line);
    },
    facts(value, facts) {
      if (isJson) return json(value);
      const width = Math.max(...facts.map(([name]) => name.length));
      for (const [name, fact] of facts) text(`${name.padEnd(width)}${GAP}${cell(fact)}`);
    },
    done(value, sentence) {
      if (isJson) json(value);
      else text(sentence);
    },
    progress: (line) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
    },
    remark: (line) => void process.stderr.write(`${line}\n`),
  };
}

/** Lines of a table; on a terminal of `width` columns the widest column gives way. */
export function tableLines<T>(rows: readonly T[], columns: readonly Column<T>[], width?: number): readonly string[] {
  const cells = rows.map((row) => columns.map((column) => cell(column.of(row))));
  const widths = columns.map((column, at) =>
    Math.max(column.name.length, ...cells.map((line) => line[at]?.length ?? 0)),
  );
  if (width !== undefined) shrink(widths, width - GAP.length * (columns.length - 1));
  const line = (values: readonly string[]) =>
    values
      .map((value, at) => padded(value, widths[at] ?? 0, columns[at]?.isNumber ?? false))
      .join(GAP)
      .trimEnd();
  return [line(columns.map((column) => column.name.toUpperCase())), ...cells.map(line)];
}

function shrink(widths: number[], room: number): void {
  const narrowest = 8;
  let excess = widths.reduce((sum, each) => sum + each, 0) - room;
  while (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    const cut = Math.min(excess, (widths[widest] ?? 0) - narrowest);
    if (cut <= 0) return;
    widths[widest] = (widths[widest] ?? 0) - cut;
    excess -= cut;
  }
}

function padded(value: string, width: number, isNumber: boolean): string {
  const short = value.length > width ? `${value.slice(0, Math.max(0, width - 1))}…` : value;
  return isNumber ? short.padStart(width) : short.padEnd(width);
}

/** Control characters would move the cursor; they are shown as dots. */
function cell(value: unknown): string {
  if (value === null || value === undefined || value === "") return "-";
  const text = Array.isArray(value)
    ? value.join(", ")
    : typeof value === "object"
      ? JSON.stringify(value)
      : String(value);
  return text.replace(/\p{Cc}+/gu, " · ");
}

/** An instant for people: UTC to the second. */
export function when(instant: number | null | undefined): string {
  return instant === null || instant === undefined
    ? "-"
    : new Date(instant)
        .toISOString()
        .replace("T", " ")
        .replace(/(\.\d+)?Z$/, "Z");
}

/** A duration for people: "1.2 s", "3 m 05 s". */
export function lasting(from: number | null, to: number | null): string {
  if (from === null || to === null) return "-";
  const seconds = (to - from) / 1_000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} m ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`
    : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} m`;
}
