import { describe } from "mocha";
import { openStore } from "../../store/open.ts";
import { tempFolders } from "../support/temp.ts";
import { storeConformance } from "./conformance.ts";
import { secretKey } from "./fixtures.ts";

describe("SQLite", () => {
  const folder = tempFolders();
  storeConformance("SQLite", () => openStore({ url: `sqlite:${folder("store").file("sluice.db")}`, secretKey }));
});
