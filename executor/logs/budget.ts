import type { LogLine } from "../executor.ts";

/** How much of one attempt's log is kept. */
export interface LogLimits {
  readonly bytes: number;
  readonly lines: number;
}

/** What one stored line costs besides its text: instant, level, source, punctuation. */
const LINE_OVERHEAD = 80;

/**
 * Counts the lines of one attempt against its limits. Beyond them lines are dropped where they arise, so that a flood costs neither IPC
 * nor disk nor memory; one line says where that began, and one at the end how many are missing.
 */
export class LogBudget {
  readonly #limits: LogLimits;
  #bytes = 0;
  #lines = 0;
  #dropped = 0;

  constructor(limits: LogLimits) {
    this.#limits = limits;
  }

  /** Whether everything from here on is dropped. */
  get isSpent(): boolean {
    return this.#dropped > 0;
  }

  /** The line to store: this one, the "truncated" marker in its place, or nothing. */
  admit(line: LogLine): LogLine | undefined {
    if (this.#dropped > 0) {
      this.#dropped++;
      return undefined;
    }
    this.#lines++;
    this.#bytes +=
      line.message.length + LINE_OVERHEAD + (line.fields === undefined ? 0 : JSON.stringify(line.fields).length);
    if (this.#bytes <= this.#limits.bytes && this.#lines <= this.#limits.lines) return line;
    this.#dropped = 1;
    return remark(
      line.at,
      `truncated: the log of this try has reached its limit (${this.#limits.bytes} bytes or ${this.#limits.lines} lines). What follows is left out.`,
    );
  }

  /** Counts something that was dropped without being cut into lines. */
  skip(): void {
    this.#dropped++;
  }

  /** The closing remark about what was dropped, if anything was. */
  close(at: number): LogLine | undefined {
    return this.#dropped > 0 ? remark(at, `truncated: at least ${this.#dropped} lines were left out.`) : undefined;
  }
}

/** A line in which Sluice itself speaks. */
export function remark(at: number, message: string, level: LogLine["level"] = "warning"): LogLine {
  return { at, level, source: "sluice", message };
}
