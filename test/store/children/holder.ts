import { openStore } from "../../../store/open.ts";
import { secretKey } from "../fixtures.ts";

/** Holds a database exclusively until it is killed. Argument: database file. */
const [, , path = ""] = process.argv;
await openStore({ url: `sqlite:${path}`, secretKey, exclusive: true });
console.log("holding");
setInterval(() => {}, 60_000);
