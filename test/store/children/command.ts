import { openStore } from "../../../store/open.ts";
import { secretKey } from "../fixtures.ts";

/** A command beside `up`: pauses a DAG. Arguments: database file, hint file, DAG. */
const [, , path = "", hintFile = "", dagId = ""] = process.argv;
const store = await openStore({ url: `sqlite:${path}`, secretKey, hintFile });
const result = await store.commit([{ kind: "dag.pause", dagId, isPaused: true }], "cli");
await store.close();
if (!result.ok) throw new Error(result.message);
