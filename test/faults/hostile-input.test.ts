import { existsSync, readdirSync } from "node:fs";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { tempFolder } from "../support/temp.ts";
import { type RealInstallation, startReal } from "./installation.ts";

const DAGS = {
  "hostile.ts": `
    import { bash, Dag, getContext } from "sluice";
    const dag = new Dag("hostile");
    dag.task("script", bash({ command: "printf '%s' {{ conf.name }}", env: { NAME: "{{ conf.name }}" } }))();
    dag.task("quoted", bash({ command: "printf '%s' \\"{{ conf.name }}\\"" }))();
    dag.task("list", bash({ command: ["printf", "%s", "{{ conf.name }}"] }))();
    dag.task("variable", bash({ command: "printf '%s' \\"$NAME\\"", env: { NAME: "{{ conf.name }}" } }))();
    dag.task("code", async () => getContext().conf.name as string)();
    new Dag("plain").task("id", bash({ command: "printf '%s' {{ run_id }}" }))();
  `,
};

describe("hostile input", function () {
  this.timeout(60_000);
  const folder = tempFolder("hostile");
  const trap = folder.file("trap");
  let real: RealInstallation;

  before(async () => {
    real = await startReal(folder.path, { dags: DAGS });
  });
  after(async () => {
    await real[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  for (const name of [
    `$(touch ${trap})`,
    `\`touch ${trap}\``,
    `'; touch ${trap}; '`,
    `"; touch ${trap}; "`,
    `x; touch ${trap} #`,
    `x | touch ${trap} &`,
    ["$", "{IFS}$((1+1))$HOME"].join(""),
    "../../../etc/passwd",
    "-n --help",
    "* ? [a-z] ~",
    "{{ var.value.secret }} {{ run_id }}",
    "a\\b\tc%s%n",
    "\u{1f4a9}\u202e\u0007",
    "<script>alert(1)</script>",
  ]) {
    it(`hands conf over as it is: ${JSON.stringify(name).replaceAll(folder.path, "")}`, async () => {
      const { state, runKey } = await real.run("hostile", { conf: { name } });
      expect(state).to.equal("success");
      const xcoms = await real.store.tasks.xcoms(runKey);
      const values = Object.fromEntries(xcoms.map(({ taskId, value }) => [taskId, value]));
      expect(values).to.deep.equal({ script: name, quoted: name, list: name, variable: name, code: name });
      expect(existsSync(trap)).to.equal(false);
    });
  }

  for (const runId of [
    "../../../../tmp/x",
    "a/b",
    "..",
    "a..b",
    "$(id)",
    "`id`",
    "a;b",
    "a b",
    "a\nb",
    "a\0b",
    "<b>",
    "é",
    "'",
    '"',
    "\\",
    "%2e%2e%2f",
    "",
    "x".repeat(251),
    "y".repeat(1_000_000),
  ]) {
    it(`refuses the run id ${JSON.stringify(runId.slice(0, 40))} (${runId.length} characters)`, async () => {
      const before = (await real.store.runs.list({})).total;
      const refused = await real.trigger("plain", { runId }).catch((error: Error & { code?: string }) => error);
      expect(refused).to.be.instanceOf(Error).and.have.property("code", "invalid_input");
      expect((refused as Error).message.length).to.be.lessThan(1_000);
      expect((await real.store.runs.list({})).total).to.equal(before);
    });
  }

  it("takes every run id that is allowed, as it is", async () => {
    const runId = `manual__2026-11-22T06:00:00+00:00_~.${"z".repeat(200)}`;
    const { state, runKey } = await real.run("plain", { runId });
    expect(state).to.equal("success");
    expect((await real.store.tasks.xcoms(runKey)).map(({ value }) => value)).to.deep.equal([runId]);
    // Nothing in the file system is named after what users send.
    expect(readdirSync(`${real.home}/logs`)).to.satisfy((names: string[]) => names.every((name) => /^\d+$/.test(name)));
  });

  it("refuses a conf of 1 MB, deep ones and such that is no JSON, and survives", async () => {
    const code = async (conf: unknown) =>
      real.trigger("plain", { conf: conf as never }).then(
        () => "accepted",
        (error: Error & { code?: string }) => error.code ?? error.message,
      );
    expect(await code({ big: "x".repeat(1_000_000) })).to.equal("invalid_input");
    const polluting = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}');
    expect(await code(polluting)).to.be.oneOf(["accepted", "invalid_input"]);
    expect(({} as { polluted?: unknown }).polluted).to.equal(undefined);
    expect((await real.run("plain")).state).to.equal("success");
  });
});
