import { join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { systemClock } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import { Loader } from "../../loader/loader.ts";
import { openStore } from "../../store/open.ts";
import { projectRoot } from "../support/processes.ts";
import { tempFolders } from "../support/temp.ts";

describe("the folder dags/", () => {
  const folder = tempFolders();

  it("loads without an error; few of its DAGs run by themselves, and none of them often", async function () {
    this.timeout(60_000);
    const { path, file } = folder();
    const store = await openStore({ url: `sqlite:${file("sluice.db")}`, secretKey: new Uint8Array(32) });
    const loader = new Loader({
      store,
      dagsFolder: join(projectRoot, "dags"),
      home: path,
      clock: systemClock,
      logger: silentLogger,
      isPausedByDefault: false,
    });
    try {
      await loader.start();
      await loader.idle();
      expect(await store.dags.importErrors()).to.deep.equal([]);
      const dags = await store.dags.all();
      expect(dags.map(({ dagId }) => dagId).sort()).to.deep.equal([
        "branching",
        "disk_space",
        "fan_out",
        "order_process",
        "slow_minute",
        "wait_for_file",
        "weather_etl",
        "web_api",
      ]);
      const versions = await Promise.all(dags.map(({ currentVersionId }) => store.dags.version(currentVersionId)));
      const timetables = versions.flatMap((version) =>
        version === undefined || version.definition.timetable.kind === "none"
          ? []
          : [[version.dagId, version.definition.timetable.kind].join(" ")],
      );
      expect(timetables.sort()).to.deep.equal(["disk_space cron", "slow_minute once", "weather_etl cron"]);
    } finally {
      await loader.stop();
      await store.close();
    }
  });
});
