import { SluiceError } from "../../core/errors.ts";
import type { Change, CommitResult } from "../../store/changes.ts";
import type { Store } from "../../store/store.ts";
import { wrapStore } from "./harness.ts";

/** What becomes of the next commits; `ask` is called for each. */
export class Faults {
  ask: (changes: readonly Change[]) => "pass" | "away" | "stale" | "lie" | Error = () => "pass";

  readonly wrap = (store: Store): Store =>
    wrapStore(store, {
      commit: async (changes, actor): Promise<CommitResult> => {
        const answer = this.ask(changes);
        if (answer instanceof Error) throw answer;
        if (answer === "stale") return { ok: false, index: 0, reason: "stale", message: "as the test wants" };
        if (answer === "away") throw new SluiceError("store_unavailable", "the disk is full");
        const result = await store.commit(changes, actor);
        // The commit stands, but its answer was lost on the way.
        if (answer === "lie") throw new SluiceError("store_unavailable", "connection lost");
        return result;
      },
    });
}
