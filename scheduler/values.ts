import { RETURN_VALUE_KEY } from "../core/definition.ts";
import type { OwnedRun } from "./owned-run.ts";

/** Largest value that is kept, characters of JSON. Larger ones are read from the store by whoever needs them. */
const MAX_VALUE_CHARS = 64 * 1024;
/** Most that is kept in all. */
const MAX_TOTAL_CHARS = 8 * 1024 * 1024;

interface Kept {
  readonly json: string;
  readonly run: OwnedRun;
  readonly tiNo: number;
  /** Unfinished instances that take it as an input. */
  wanted: number;
}

/**
 * What tasks have just returned, as long as those that take it as an input are not finished: a hand-over then needs no read.
 * Bounded; the store has everything.
 */
export class Values {
  readonly #kept = new Map<string, Kept>();
  #totalChars = 0;

  get totalChars(): number {
    return this.#totalChars;
  }

  /** Keeps what an instance returned if somebody will want it. */
  put(run: OwnedRun, tiNo: number, json: string): void {
    if (json.length > MAX_VALUE_CHARS) return;
    const wanted = takersOf(run, tiNo);
    if (wanted === 0) return;
    this.#drop(keyOf(run, tiNo));
    this.#kept.set(keyOf(run, tiNo), { json, run, tiNo, wanted });
    run.valueTiNos.add(tiNo);
    this.#totalChars += json.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#totalChars <= MAX_TOTAL_CHARS) break;
      this.#drop(oldest);
    }
  }

  get(run: OwnedRun, tiNo: number): string | undefined {
    return this.#kept.get(keyOf(run, tiNo))?.json;
  }

  /** An instance is finished: what only it still wanted is forgotten. */
  finished(run: OwnedRun, tiNo: number): void {
    if (run.valueTiNos.size === 0) return;
    const task = run.memory.taskOf(tiNo);
    for (const input of Object.values(task?.inputs ?? {})) {
      if (input.kind !== "xcom" || input.key !== RETURN_VALUE_KEY) continue;
      const from = run.tiNoOf(input.taskId);
      const kept = from === undefined ? undefined : this.#kept.get(keyOf(run, from));
      if (kept !== undefined && --kept.wanted <= 0) this.#drop(keyOf(run, kept.tiNo));
    }
  }

  forget(run: OwnedRun): void {
    for (const tiNo of [...run.valueTiNos]) this.#drop(keyOf(run, tiNo));
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    kept.run.valueTiNos.delete(kept.tiNo);
    this.#totalChars -= kept.json.length;
  }
}

/** How many inputs below take the returned value of this instance. */
function takersOf(run: OwnedRun, tiNo: number): number {
  const { graph } = run.version;
  const { taskId } = run.task(tiNo);
  let takers = 0;
  for (const below of graph.downstream[graph.taskIndex.get(taskId) ?? -1] ?? []) {
    for (const input of Object.values(graph.tasks[below]?.inputs ?? {})) {
      if (input.kind === "xcom" && input.taskId === taskId && input.key === RETURN_VALUE_KEY) takers++;
    }
  }
  return takers;
}

function keyOf(run: OwnedRun, tiNo: number): string {
  return `${run.runKey}/${tiNo}`;
}
