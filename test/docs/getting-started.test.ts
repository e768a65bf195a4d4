import { mkdirSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { describe, it } from "mocha";
import { runProcess, startScript } from "../support/processes.ts";
import { tempFolders } from "../support/temp.ts";
import { snippetsOf } from "./snippets.ts";

const all = snippetsOf("docs/getting-started.md");

/** Commands that a test can run: those that no remark leaves to people. */
const commands = all
  .filter(({ language, remark }) => language === "sh" && remark === "")
  .flatMap(({ code }) => code.trim().split("\n"));

describe("docs/getting-started.md", () => {
  const folder = tempFolders();

  it("has commands that work, one after the other", async function () {
    this.timeout(180_000);
    expect(commands.length).to.be.at.least(10);
    const { file } = folder();
    mkdirSync(file("dags"));
    const hello = all.find(({ remark }) => remark === "dags/hello.ts");
    writeFileSync(file("dags", "hello.ts"), hello?.code ?? "");
    const env = { SLUICE_HOME: file("home"), SLUICE_DAGS: file("dags"), SLUICE_PORT: "0" };
    await using app = startScript("cli/main.ts", ["up"], { env });
    await app.line(/^Sluice is ready at /, 60_000);

    // The file is read beside the web server's start.
    const isListed = async () => (await runProcess(["cli/sluice", "dags", "show", "hello"], { env })).code === 0;
    for (let tries = 0; !(await isListed()); tries++) expect(tries, "hello is not loaded").to.be.below(50);

    const printed = new Map<string, string>();
    for (const command of commands) {
      const { code, stdout, stderr } = await runProcess(["sh", "-c", command], { env });
      expect(code, `${command}\n${stdout}${stderr}`).to.equal(0);
      printed.set(command, stdout + stderr);
    }
    const outputOf = (part: string) => [...printed].find(([command]) => command.includes(part))?.[1] ?? "";
    expect(outputOf("dags list")).to.include("hello");
    expect(outputOf("tasks logs")).to.include("HELLO, ADA!");
    expect(outputOf("dags test")).to.include("HELLO, GRACE!");
    expect(outputOf("--downstream --dry-run")).to.include("shout");
    expect(outputOf("to 2026-11-06 --dry-run").match(/2026-11-0[2-6]/g)).to.have.length.at.least(5);
    await app.stop();
  });
});
