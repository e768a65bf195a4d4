import { EVENT_COLUMNS } from "../apply/scope.ts";
import type { SqlValue } from "../statements.ts";
import type { Connection } from "./connection.ts";

/** Events look this far back for the latest instant when a store is opened. */
const LOOK_BACK = 1000;
/** A clock set back by no more than this is simply waited for. */
const SMALL_STEP_MS = 10_000;

const AT = EVENT_COLUMNS.indexOf("at");
const RUN_KEY = EVENT_COLUMNS.indexOf("run_key");

/**
 * Keeps the events of each run in the order of time although the machine's clock may be set back. While the clock is far
 * behind the latest event, each run's own latest instant is looked up; otherwise nothing is.
 */
export class Timeline {
  readonly #connection: Connection;
  #latest: number;
  #isBehind = false;
  readonly #latestOfRun = new Map<number, number>();

  constructor(connection: Connection) {
    this.#connection = connection;
    const [row] = connection.all(`select max(at) from (select at from event order by id desc limit ${LOOK_BACK})`, []);
    this.#latest = (row?.[0] as number | null) ?? 0;
  }

  /** The instant of a transaction that begins while the clock shows `clock`. */
  begin(clock: number): number {
    this.#isBehind = clock < this.#latest - SMALL_STEP_MS;
    if (this.#isBehind) return clock;
    if (this.#latestOfRun.size > 0) this.#latestOfRun.clear();
    this.#latest = Math.max(this.#latest, clock);
    return this.#latest;
  }

  /** Moves event rows (see `EVENT_COLUMNS`) that would lie before earlier events of their run. */
  straighten(eventRows: readonly SqlValue[][]): void {
    if (!this.#isBehind) return;
    for (const row of eventRows) {
      const runKey = row[RUN_KEY];
      if (typeof runKey !== "number") continue;
      const at = Math.max(row[AT] as number, this.#latestOf(runKey));
      row[AT] = at;
      this.#latestOfRun.set(runKey, at);
    }
  }

  #latestOf(runKey: number): number {
    const known = this.#latestOfRun.get(runKey);
    if (known !== undefined) return known;
    const [row] = this.#connection.all("select at from event where run_key = ? order by id desc limit 1", [runKey]);
    return (row?.[0] as number | undefined) ?? 0;
  }
}
