import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { describe, it } from "mocha";
import { Asset, Bundle, Dag } from "../../sdk/index.ts";
import { collectDags } from "../../sdk/registry.ts";
import { registerSdkResolution } from "../../sdk/resolve-hook.ts";
import { serializeDag } from "../../sdk/serialize.ts";
import { tempFolders } from "../support/temp.ts";
import { attempt, printed, refused } from "./harness.ts";

describe("a Dag file", () => {
  const folder = tempFolders();
  registerSdkResolution();
  registerSdkResolution();

  /** Evaluates a file that lies far away from this package, as in production. */
  async function evaluate(source: string): Promise<Dag<unknown>[]> {
    const file = folder().file("dag.ts");
    writeFileSync(file, source);
    return collectDags(() => import(pathToFileURL(file).href));
  }

  const guide = (from: string) => `
import { Dag, getClient } from "${from}";

const dag = new Dag("sales_daily", { schedule: "@daily", tags: ["etl"], catchup: false });

const extract = dag.task("extract", async (): Promise<number[]> => [3, 5, 8]);
const total = dag.task("total", async ({ rows }: { rows: number[] }) => rows.reduce((a, b) => a + b, 0), { retries: 2 });
const report = dag.task("report", async ({ sum }: { sum: number }) => { console.log(\`sold \${sum}\`); });

const sum = total({ rows: extract() });
report({ sum });
`;

  for (const name of ["sluice", "apache-airflow-ts-sdk", "@apache-airflow/ts-sdk"]) {
    it(`as in the guide, importing from "${name}", is read and run`, async () => {
      const [dag] = await evaluate(guide(name));
      const definition = serializeDag(dag!);
      expect(definition).to.deep.include({ dagId: "sales_daily", tags: ["etl"], catchup: false });
      expect(definition.timetable).to.deep.include({ kind: "cron", expressions: ["@daily"] });
      expect(definition.tasks.map(({ taskId, upstream, retries }) => [taskId, upstream, retries])).to.deep.equal([
        ["extract", [], 0],
        ["total", ["extract"], 2],
        ["report", ["total"], 0],
      ]);
      const rows = await attempt({ dag: dag!, taskId: "extract" });
      const sum = await attempt({ dag: dag!, taskId: "total", inputs: { rows: JSON.parse(rows.returnValueJson!) } });
      const report = await attempt({ dag: dag!, taskId: "report", inputs: { sum: JSON.parse(sum.returnValueJson!) } });
      expect(printed(report, "stdout")).to.deep.equal(["sold 16"]);
      expect(report)
        .to.deep.include({ outcome: { kind: "success" } })
        .and.not.to.have.property("returnValueJson");
    });
  }

  it("may use zod and the operators without installing anything", async () => {
    const [dag] = await evaluate(`
      import { z } from "zod";
      import { Dag } from "sluice";
      import { bash, http } from "sluice/operators";
      const dag = new Dag("d", { params: z.object({ n: z.int().default(3) }) });
      dag.task("echo", bash({ command: ["echo", "{{ params.n }}"] }))();
      dag.task("ask", http({ url: "http://127.0.0.1:1/" }))();
    `);
    expect(serializeDag(dag!).paramDefaults).to.deep.equal({ n: 3 });
  });

  it("gets errors that show its own line", async () => {
    const error = await evaluate(
      'import { Dag } from "sluice";\n\nconst dag = new Dag("d");\ndag.task("x", async () => 1, { retires: 2 });\n',
    ).catch((thrown) => thrown);
    expect(error.location).to.deep.include({ line: 4, column: 5 });
    expect(error.location.file).to.match(/dag\.ts$/);
    const [dag] = await evaluate(
      'import { Dag } from "sluice";\n\nconst dag = new Dag("d");\n  dag.task("x", async () => 1);\n',
    );
    expect(() => serializeDag(dag!))
      .to.throw(/never called/)
      .with.property("location")
      .that.deep.includes({ line: 4, column: 7 });
  });

  it("that names another package gets the usual error", async () => {
    const error = await evaluate('import "no-such-package";').catch((thrown) => thrown);
    expect(error.code).to.equal("ERR_MODULE_NOT_FOUND");
  });
});

describe("Bundle", () => {
  const make = (id: string) => {
    const dag = new Dag(id);
    dag.task("t", async ({ n }: { n: number }) => n + 1)({ n: 1 });
    return dag;
  };

  it("collects Dags and knows their handlers", async () => {
    const bundle = new Bundle(make("a")).register(make("b"), make("c"));
    const handler = bundle.getTaskHandler("b", "t") as ((inputs: { n: number }) => Promise<number>) | undefined;
    expect(await handler?.({ n: 4 })).to.equal(5);
    expect(bundle.getTaskHandler("b", "x")).to.equal(undefined);
    expect(bundle.getTaskHandler("x", "t")).to.equal(undefined);
    await bundle.serve();
  });

  it("takes all or none, no id twice, nothing foreign, and is served once", async () => {
    const bundle = new Bundle(make("a"));
    refused(() => bundle.register(make("b"), make("a")), /two Dags with the id "a"/);
    refused(() => bundle.register(make("b"), { dagId: "x" } as never), /not a Dag of this copy/);
    expect(bundle.getTaskHandler("b", "t"), "nothing was registered").to.equal(undefined);
    await bundle.serve();
    const again = await bundle.serve().catch((error) => error.message);
    expect(again).to.match(/served already/);
  });
});

describe("Asset", () => {
  it("takes what is missing from the other name", () => {
    expect(new Asset({ name: "orders" })).to.deep.include({ name: "orders", uri: "orders" });
    expect(new Asset({ uri: "s3://x" })).to.deep.include({ name: "s3://x", uri: "s3://x" });
    expect(new Asset({ name: "orders", uri: "s3://x" })).to.deep.include({ name: "orders", uri: "s3://x" });
    expect(Asset.ref({ name: "orders" })).to.deep.equal({ name: "orders" });
    expect(Asset.ref({ uri: "s3://x" })).to.deep.equal({ uri: "s3://x" });
  });

  it("is refused without or, as a reference, with both names", () => {
    refused(() => new Asset({}), /needs a name or a uri/);
    refused(() => new Asset({ nme: "x" } as never), /unknown key "nme"/);
    refused(() => Asset.ref({}), /either a name or a uri/);
    refused(() => Asset.ref({ name: "a", uri: "b" }), /either a name or a uri/);
  });
});
