import { writeSync } from "node:fs";
import { openStore } from "../../../store/open.ts";
import { secretKey } from "../fixtures.ts";

/**
 * Commits for ever with several callers at once and prints "<caller> <number>" after each acknowledgement. Every list
 * writes the same number in three places. Arguments: database file, number of callers.
 */
const [, , path = "", callers = "4"] = process.argv;
const store = await openStore({ url: `sqlite:${path}`, secretKey, exclusive: true });

await Promise.all(
  Array.from({ length: Number(callers) }, async (_, caller) => {
    const name = `caller-${caller}`;
    for (let number = ((await store.admin.pool(name))?.slots ?? 0) + 1; ; number++) {
      const result = await store.commit(
        [
          {
            kind: "pool.put",
            mode: "upsert",
            pool: { name, slots: number, description: `${number}`, includeDeferred: false },
          },
          { kind: "variable.put", mode: "upsert", variable: { key: name, value: `${number}`, description: null } },
          { kind: "event", name: "committed", detail: { caller, number } },
        ],
        name,
      );
      if (!result.ok) throw new Error(result.message);
      writeSync(1, `${caller} ${number}\n`);
    }
  }),
);
