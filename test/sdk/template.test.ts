import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { bash, Dag, type DagSpec } from "../../sdk/index.ts";
import { parseTemplate } from "../../sdk/template.ts";
import { attempt, failure, type Trial } from "./harness.ts";

/** What a text becomes in a task. */
async function rendered(text: string, trial: Partial<Trial> = {}, spec: DagSpec = {}) {
  const dag = new Dag("d", spec);
  const group = dag.taskGroup("g");
  group.task("t", bash<{ day?: string; list?: number[] }>({ command: ["printf", "%s", text] }))({});
  return attempt({ dag, taskId: "g.t", answer, ...trial });
}

function answer(method: string, args: { readonly [name: string]: unknown }): unknown {
  if (method === "getVariable") return { plain: "v1", data: '{"a":{"b":[1,2]}}' }[String(args.key)] ?? null;
  if (method === "getConnection" && args.connId === "db") {
    return {
      id: "db",
      type: "postgres",
      host: "h",
      schema: "s",
      login: "l",
      password: "p",
      port: 5432,
      extra: '{"ssl":true}',
    };
  }
  if (method === "getXCom" && args.taskId === "other")
    return { return_value: { rows: ["r0", "r1"] }, k: 7 }[String(args.key)] ?? null;
  if (method === "getXCom" && args.taskId === "g.in-ner") return "dotted";
  return null;
}

describe("a template", () => {
  const values: { [template: string]: string } = {
    "{{ ds }}": "2026-01-31",
    "{{ds_nodash}}": "20260131",
    "{{ ts }}": "2026-01-31T06:00:00+00:00",
    "{{ ts_nodash }}": "20260131T060000",
    "{{ logical_date }}": "2026-01-31T06:00:00+00:00",
    "{{ data_interval_start }}/{{ data_interval_end }}": "2026-01-30T06:00:00+00:00/2026-01-31T06:00:00+00:00",
    "{{ run_after }}": "2026-01-31T06:00:00+00:00",
    "{{ run_id }}, {{ dag_run.run_id }}": "manual__x, manual__x",
    "{{ dag.dag_id }}.{{ task.task_id }}": "d.g.t",
    "{{ ti.try_number }}{{ try_number }}{{ map_index }}": "11-1",
    "{{ dag_run.run_type }}": "manual",
    "{{ params.day }}": "Mon",
    "{{ params['a b'] }}": "spaced",
    "{{ params.deep.list[1] }} {{ params.deep.list[-1] }} {{ params.deep.list.0 }}": "2 3 1",
    "{{ params.deep }}": '{"list":[1,2,3]}',
    "{{ params.none }}|{{ params.yes }}|{{ params.n }}": "|true|1.5",
    "{{ conf.x }}{{ dag_run.conf.x }}": "yy",
    "{{ inputs.day }}": "Tue",
    "{{ var.value.plain }}": "v1",
    "{{ var.json.data.a.b[1] }}": "2",
    "{{ conn.db.host }}:{{ conn.db.port }} {{ conn.db.extra.ssl }}": "h:5432 true",
    "{{ xcom.other.rows[0] }}": "r0",
    "{{ ti.xcom.other.rows }}": '["r0","r1"]',
    '{{ xcom["g.in-ner"] }}': "dotted",
    "{{ ti.xcom_pull('other').rows[1] }}": "r1",
    '{{ ti.xcom_pull(task_ids="other", key="k") }}': "7",
    "{{ \"{{\" }} ds }} {{ 'x' }}": "{{ ds }} x",
    "no template } } { {": "no template } } { {",
    "": "",
  };
  for (const [template, value] of Object.entries(values)) {
    it(`${template || "(empty)"} becomes ${value}`, async () => {
      const end = await rendered(template, {
        inputs: { day: "Tue" },
        context: {
          conf: { x: "y" },
          params: { day: "Mon", "a b": "spaced", deep: { list: [1, 2, 3] }, none: null, yes: true, n: 1.5 },
        },
      });
      expect(end.outcome, JSON.stringify(end.outcome)).to.deep.equal({ kind: "success" });
      expect(end.returnValueJson).to.equal(JSON.stringify(value));
    });
  }

  const unknown: { [template: string]: RegExp } = {
    "{{ dss }}": /unknown name "dss" in \{\{ dss \}\}\. Did you mean "ds"/,
    "{{ macros.uuid }}": /unknown name "macros".*Known: ds, /,
    "{{ constructor }}": /unknown name "constructor"/,
    "{{ __proto__ }}": /unknown name "__proto__"/,
    "{{ dag_run.confg }}": /unknown name "dag_run\.confg".*Did you mean "conf"/,
    "{{ ds.year }}": /ds is a plain value/,
    "{{ dag_run }}": /is no value by itself; it has dag_id/,
    "{{ ti.xcom_pull }}": /write \{\{ ti\.xcom_pull\("task_id"\) \}\}/,
    "{{ var.x }}": /unknown name "var\.x"/,
    "{{ ds | upper }}": /cannot be read: \{\{ ds \| upper \}\}.*use \(ctx\) => …/,
    "{{ 1 + 1 }}": /cannot be read/,
    "{{ params.x() }}": /cannot be read/,
    "{{ ti.xcom_pull(other) }}": /cannot be read/,
    "{{ params[x] }}": /cannot be read/,
    "{{ params[0.5] }}": /cannot be read/,
    "{{ }}": /cannot be read/,
    "{{ ds": /has a "\{\{" without "\}\}" at "ds"/,
    "{{ 'it''s' }}": /cannot be read/,
  };
  for (const [template, message] of Object.entries(unknown)) {
    it(`${template} is refused when it is written`, () =>
      expect(() => parseTemplate(template)).to.throw(TypeError, message));
  }

  const empty: { [template: string]: RegExp } = {
    "{{ params.gone }}": /\{\{ params\.gone \}\} has no value: there is no "gone"/,
    "{{ params.toString }}": /there is no "toString"/,
    "{{ params.__proto__ }}": /there is no "__proto__"/,
    "{{ params.day.length }}": /there is no "length"/,
    "{{ var.value.gone }}": /there is no variable "gone"/,
    "{{ var.value.plain.x }}": /use var\.json/,
    "{{ var.json.plain }}": /the variable "plain" holds no JSON/,
    "{{ conn.gone.host }}": /there is no connection "gone"/,
    "{{ xcom.gone }}": /task "gone" has left no XCom "return_value"/,
    "{{ ti.xcom_pull('other', key='nope') }}": /no XCom "nope"/,
    "{{ inputs.day }}": /there is no "day"/,
  };
  for (const [template, message] of Object.entries(empty)) {
    it(`${template} without a value fails the task for good`, async () => {
      const end = failure(await rendered(template, { context: { params: { day: "Mon" } } }));
      expect(end.message).to.match(message);
      expect(end.retryable).to.equal(false);
    });
  }

  it("of a date that the run does not have says what to use instead", async () => {
    const context = { logicalDate: null, dataIntervalStart: null, dataIntervalEnd: null };
    for (const name of ["ds", "ts", "logical_date", "data_interval_start"]) {
      const end = failure(await rendered(`{{ ${name} }}`, { context }));
      expect(end.message).to.match(/was started without a logical date. Use \{\{ run_after \}\}/);
    }
  });

  it("is a function where a path is not enough", async () => {
    const dag = new Dag("d");
    dag.task("t", bash({ command: ["echo", async (ctx) => `${ctx.runId}!`] }))();
    expect((await attempt({ dag, taskId: "t" })).returnValueJson).to.equal('"manual__x!"');
    const wrong = new Dag("d");
    wrong.task("t", bash({ command: ["echo", (() => 5) as never] }))();
    expect(failure(await attempt({ dag: wrong, taskId: "t" })).message).to.match(/returned 5, not a text/);
  });

  it("can be read whatever it is, or is refused with a reason, in little time", () => {
    const pieces = fc.constantFrom(
      "{{",
      "}}",
      "ds",
      "params",
      ".",
      "[",
      "]",
      "'",
      '"',
      "0",
      " ",
      "ti.xcom_pull(",
      ")",
      "x",
      "=",
      "-",
      "|",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
        try {
          parseTemplate(parts.join(""));
        } catch (error) {
          expect(error).to.be.instanceOf(TypeError);
          expect((error as Error).message).to.match(/^(has|asks)/);
        }
      }),
    );
    parseTemplate("{{ ds }}".repeat(10_000));
    expect(() => parseTemplate(`{{ params${".x".repeat(100_000)} !`)).to.throw(TypeError);
  });
});
