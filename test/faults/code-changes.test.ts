import { existsSync, rmSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { describe, it } from "mocha";
import { tempFolders } from "../support/temp.ts";
import { type RealInstallation, startReal } from "./installation.ts";

/** Three tasks; the first waits for a file, so that the code can change under the run. */
const dagFile = (version: number, gate: string) => `
  import { existsSync } from "node:fs";
  import { Dag } from "sluice";
  const dag = new Dag("pinned");
  const version = async () => ${version};
  const wait = dag.task("wait", async () => {
    while (!existsSync(${JSON.stringify(gate)})) await new Promise((resolve) => setTimeout(resolve, 10));
    return ${version};
  })();
  const middle = dag.task("middle", version)().after(wait);
  ${version === 1 ? `dag.task("only_in_1", version)().after(middle);` : `dag.task("only_in_2", version)().after(middle);`}
`;

describe("the code of a run", function () {
  this.timeout(60_000);
  const newFolder = tempFolders();

  async function values(real: RealInstallation, runKey: number): Promise<{ readonly [taskId: string]: unknown }> {
    return Object.fromEntries((await real.store.tasks.xcoms(runKey)).map(({ taskId, value }) => [taskId, value]));
  }

  for (const [what, change] of [
    ["changed", (file: string, gate: string) => writeFileSync(file, dagFile(2, gate))],
    ["deleted", (file: string) => rmSync(file)],
    ["broken", (file: string) => writeFileSync(file, "export const = broken")],
  ] as const) {
    it(`stays what it was when its file is ${what} under it`, async () => {
      const folder = newFolder("pinned");
      const gate = folder.file("gate");
      await using real = await startReal(folder.path, { dags: { "pinned.ts": dagFile(1, gate) } });
      const { runKey } = await real.trigger("pinned");
      await real.until("the first task runs", 20_000, async () =>
        (await real.store.tasks.ofRun(runKey)).some(({ state }) => state === "running") ? true : undefined,
      );
      change(folder.file("dags", "pinned.ts"), gate);
      await real.until("the change is seen", 20_000, async () => {
        const dag = await real.store.dags.get("pinned");
        const version = await real.store.dags.versionOf("pinned");
        const errors = await real.store.dags.importErrors();
        return version?.versionNumber === 2 || dag?.isActive === false || errors.length > 0 || undefined;
      });
      writeFileSync(gate, "");
      expect((await real.ended(runKey)).state).to.equal("success");
      expect(await values(real, runKey)).to.deep.equal({ wait: 1, middle: 1, only_in_1: 1 });
      if (what === "deleted") {
        expect(await real.trigger("pinned").catch(({ message }: Error) => message)).to.match(/no longer defined/);
        return;
      }
      // The next run takes the newest version that could be loaded.
      const next = await real.run("pinned");
      expect(await values(real, next.runKey)).to.have.property(what === "changed" ? "only_in_2" : "only_in_1");
      expect(existsSync(gate)).to.equal(true);
    });
  }
});
