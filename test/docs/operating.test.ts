import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { describe, it } from "mocha";
import { openStore } from "../../store/open.ts";
import { runProcess, startScript } from "../support/processes.ts";
import { tempFolders } from "../support/temp.ts";
import { snippetsOf } from "./snippets.ts";

describe("docs/operating.md", () => {
  const folder = tempFolders();
  const snippets = snippetsOf("docs/operating.md");

  it("has commands that work beside a running Sluice, and a backup that can be opened", async function () {
    this.timeout(120_000);
    const { file } = folder();
    const env = { SLUICE_HOME: file("home"), SLUICE_DAGS: file("dags"), SLUICE_PORT: "0" };
    await using app = startScript("cli/main.ts", ["up"], { env });
    await app.line(/^Sluice is ready at /, 60_000);

    const commands = snippets.filter(({ language, remark }) => language === "sh" && remark === "");
    for (const command of commands.flatMap(({ code }) => code.trim().split("\n"))) {
      const { code, stdout, stderr } = await runProcess(["sh", "-c", command], { env });
      expect(code, `${command}\n${stdout}${stderr}`).to.equal(0);
    }

    await runProcess(["mkdir", "-p", file("home", "logs")]);
    const backup = snippets.find(({ remark }) => remark === "backup")?.code ?? "";
    const here = backup
      .replaceAll(".sluice/", `${file("home")}/`)
      .replaceAll(/(?<![\w.(])backup(?=\/|\n)/g, file("backup"));
    const { code, stderr } = await runProcess(["sh", "-ec", here], { env });
    expect(code, stderr).to.equal(0);
    await app.stop();

    const copy = new DatabaseSync(file("backup", "sluice.db"), { readOnly: true });
    expect(copy.prepare("PRAGMA integrity_check").get()).to.deep.include({ integrity_check: "ok" });
    copy.close();
    const store = await openStore({ url: `sqlite:${file("backup", "sluice.db")}`, secretKey: new Uint8Array(32) });
    expect((await store.access.tokens()).map(({ name }) => name)).to.deep.equal(["ci"]);
    await store.close();
  });
});
