import { existsSync, readFileSync } from "node:fs";

/** One line that a task has appended. */
export interface LedgerLine {
  /** `dagId/runId/taskId`: the effect. */
  readonly key: string;
  readonly try: number;
  /** `begin` is the side effect; `end` is the last thing that a try does. */
  readonly mark: "begin" | "end";
  readonly pid: number;
}

/** What stands in the ledger, in the order in which it was written; torn lines on their own. */
export interface Ledger {
  readonly lines: readonly LedgerLine[];
  readonly torn: readonly string[];
}

export function readLedger(path: string): Ledger {
  const lines: LedgerLine[] = [];
  const torn: string[] = [];
  if (!existsSync(path)) return { lines, torn };
  for (const text of readFileSync(path, "utf8").split("\n")) {
    if (text === "") continue;
    try {
      lines.push(JSON.parse(text) as LedgerLine);
    } catch {
      torn.push(text);
    }
  }
  return { lines, torn };
}

/** What the database says of a try. */
export interface TryRecord {
  readonly state: string;
  readonly isSensor: boolean;
}

/** What the database says of one task instance. */
export interface EffectRecord {
  /** By number. */
  readonly tries: ReadonlyMap<number, TryRecord>;
  /** Times that somebody cleared it. */
  readonly cleared: number;
  readonly leavesLines: boolean;
}

/** States of a try that explain why the effect may be there again, from a later one. */
const EXPLAINS_ANOTHER: ReadonlySet<string> = new Set(["lost", "failed", "cancelled", "skipped", "rescheduled"]);

/**
 * Compares the ledger with what is recorded: each line belongs to a recorded try, no try has its effect twice, a repeated effect is
 * explained by how the earlier try ended, tries never overlap, and no try that is recorded as a success lacks its effect. One
 * sentence per contradiction.
 */
export function checkLedger(ledger: Ledger, records: ReadonlyMap<string, EffectRecord>): readonly string[] {
  const problems = ledger.torn.map((text) => `A line of the ledger is torn: ${text}`);
  const byKey = Map.groupBy(ledger.lines, ({ key }) => key);
  for (const [key, lines] of byKey) {
    const record = records.get(key);
    if (record === undefined) problems.push(`${key} left ${lines.length} lines and is not recorded at all.`);
    else problems.push(...checkEffect(key, lines, record));
  }
  for (const [key, { tries, leavesLines }] of records) {
    if (!leavesLines) continue;
    for (const [number, { state }] of tries) {
      if (state !== "success") continue;
      const isThere = byKey.get(key)?.some((line) => line.try === number && line.mark === "end");
      if (isThere !== true) problems.push(`${key} try ${number} is recorded as a success and left no effect.`);
    }
  }
  return problems;
}

function checkEffect(key: string, lines: readonly LedgerLine[], { tries, cleared }: EffectRecord): string[] {
  const problems: string[] = [];
  const begun = [...Map.groupBy(lines, (line) => line.try)].sort(([left], [right]) => left - right);
  let unexplained = 0;
  for (const [at, [number, own]] of begun.entries()) {
    const attempt = tries.get(number);
    if (attempt === undefined) {
      problems.push(`${key} try ${number} left lines and was never recorded as started.`);
      continue;
    }
    const begins = own.filter(({ mark }) => mark === "begin").length;
    if (begins > 1 && !attempt.isSensor) problems.push(`${key} try ${number} had its effect ${begins} times.`);
    if (at < begun.length - 1 && !EXPLAINS_ANOTHER.has(attempt.state)) {
      if (attempt.state === "success") unexplained++;
      else problems.push(`${key} had its effect again after try ${number}, which is recorded as ${attempt.state}.`);
    }
  }
  if (unexplained > cleared)
    problems.push(`${key} had its effect again after ${unexplained} successes and was cleared ${cleared} times.`);
  let latest = 0;
  for (const line of lines) {
    if (line.try < latest) problems.push(`${key} try ${line.try} was still at work after try ${latest} had begun.`);
    latest = Math.max(latest, line.try);
  }
  return problems;
}
