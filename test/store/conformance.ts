import { afterEach, beforeEach, describe } from "mocha";
import type { Store } from "../../store/store.ts";
import { accessConformance } from "./conformance/access.ts";
import { adminConformance } from "./conformance/admin.ts";
import { atomicityConformance } from "./conformance/atomicity.ts";
import { backfillConformance } from "./conformance/backfills.ts";
import { dagConformance } from "./conformance/dags.ts";
import { eventConformance } from "./conformance/events.ts";
import { runConformance } from "./conformance/runs.ts";
import { taskConformance } from "./conformance/tasks.ts";

/** What the suites of one database share: the store of the present test. */
export type OpenedStore = () => Store;

/** What every store must do. `open` gives an empty store; the suite closes it. */
export function storeConformance(name: string, open: () => Promise<Store>): void {
  describe(`${name} as a store`, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());
    const opened: OpenedStore = () => store;
    atomicityConformance(opened);
    runConformance(opened);
    taskConformance(opened);
    dagConformance(opened);
    eventConformance(opened);
    backfillConformance(opened);
    adminConformance(opened);
    accessConformance(opened);
  });
}
