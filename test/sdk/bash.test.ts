import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { after, before, describe, it } from "mocha";
import { type BashOptions, bash, Dag, node } from "../../sdk/index.ts";
import type { Operator } from "../../sdk/operator.ts";
import { attempt, failure, printed, refused, type Trial, tick } from "./harness.ts";

let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-bash-"));
});
after(() => rmSync(folder, { recursive: true }));

function run(operator: Operator<object, unknown>, trial: Partial<Trial> = {}) {
  const dag = new Dag("d");
  dag.task("t", operator as Operator<object>)(trial.inputs === undefined ? undefined : {});
  return attempt({ dag, taskId: "t", ...trial });
}

const sh = (command: BashOptions["command"], options: Partial<BashOptions> = {}, trial: Partial<Trial> = {}) =>
  run(bash({ command, ...options } as BashOptions), trial);

/** A process that has ended but was not yet waited for by its parent does not count. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Resolves once a process that was killed is gone; the test's timeout is the limit. */
async function ended(pid: number): Promise<void> {
  while (isAlive(pid)) await tick();
}

describe("bash", () => {
  it("logs both streams line by line and leaves the last line of its output", async () => {
    const end = await sh("echo one; echo two; echo oops >&2; printf 'three  '");
    expect(end.outcome).to.deep.equal({ kind: "success" });
    expect(end.returnValueJson).to.equal('"three"');
    expect(printed(end, "stdout")).to.deep.equal(["one", "two", "three  "]);
    expect(end.lines.find(({ source }) => source === "stderr")).to.deep.equal({
      level: "error",
      source: "stderr",
      message: "oops",
    });
  });

  it("leaves an empty text when it prints nothing", async () =>
    expect((await sh("true")).returnValueJson).to.equal('""'));

  it("fails with the exit code, or with the signal", async () => {
    expect(failure(await sh("exit 3"))).to.deep.include({
      name: "CommandError",
      message: "The command ended with exit code 3.",
      retryable: true,
    });
    expect(failure(await sh("kill -9 $$")).message).to.equal("The command was ended by SIGKILL.");
  });

  it("is skipped by exit code 99, by another one, or by none", async () => {
    expect((await sh("exit 99")).outcome).to.deep.equal({
      kind: "skipped",
      message: "the command ended with exit code 99",
    });
    expect((await sh("exit 4", { skipOnExitCode: 4 })).outcome.kind).to.equal("skipped");
    expect((await sh("exit 99", { skipOnExitCode: 4 })).outcome.kind).to.equal("failed");
    expect((await sh("exit 99", { skipOnExitCode: null })).outcome.kind).to.equal("failed");
  });

  it("fails at once when the program cannot be started", async () => {
    const gone = failure(await sh(["/no/such/program"]));
    expect(gone).to.deep.include({ name: "FailFast", retryable: false });
    expect(gone.message).to.match(/"\/no\/such\/program" could not be started: there is no such program/);
    expect(failure(await sh("true", { cwd: "/no/such/folder" })).message).to.match(
      /no such working directory \(\/no\/such\/folder\)/,
    );
    expect(failure(await sh(["/etc/passwd"])).message).to.match(/it may not be executed/);
    expect(failure(await sh(["echo", "x".repeat(200_000)])).message).to.match(/arguments and environment are too long/);
    expect(failure(await sh(["echo", "{{ params.x }}"], {}, { context: { params: { x: "a\0b" } } })).message).to.match(
      /NUL/,
    );
  });

  it("has the worker's environment without Sluice's settings, its own additions, and the names of its try", async () => {
    process.env.SLUICE_SECRET_KEY = "canary";
    try {
      const end = await sh(
        "env; pwd",
        { env: { DAY: "{{ ds }}", WHO: (ctx) => ctx.taskId }, cwd: folder },
        { tryNumber: 2 },
      );
      const lines = printed(end, "stdout");
      expect(lines).to.include.members([
        "DAY=2026-01-31",
        "WHO=t",
        "SLUICE_DAG_ID=d",
        "SLUICE_RUN_ID=manual__x",
        "SLUICE_TRY_NUMBER=2",
        "SLUICE_LOGICAL_DATE=2026-01-31T06:00:00.000Z",
        `PATH=${process.env.PATH}`,
      ]);
      expect(end.returnValueJson).to.equal(JSON.stringify(folder));
      expect(lines.join("\n")).not.to.contain("canary");
    } finally {
      delete process.env.SLUICE_SECRET_KEY;
    }
  });

  it("gives JSON when asked to", async () => {
    expect((await run(bash({ command: `echo note; echo '{"n":[1,2]}'`, output: "json" }))).returnValueJson).to.equal(
      '{"n":[1,2]}',
    );
    expect(failure(await run(bash({ command: "echo nope", output: "json" }))).message).to.match(
      /should be JSON, but it is "nope"/,
    );
  });

  it("takes inputs", async () => {
    const dag = new Dag("d");
    dag.task(
      "t",
      bash<{ files: string[] }>({
        command: ["echo", "{{ inputs.files[1] }}", (ctx) => String(ctx.inputs.files.length)],
      }),
    )({ files: [] });
    const end = await attempt({ dag, taskId: "t", inputs: { files: ["a", "b c"] } });
    expect(end.returnValueJson).to.equal('"b c 2"');
    const computed = new Dag("d");
    computed.task("t", bash<{ n: number }>({ command: (ctx) => ["echo", `${ctx.inputs.n}`] }))({ n: 1 });
    expect((await attempt({ dag: computed, taskId: "t", inputs: { n: 7 } })).returnValueJson).to.equal('"7"');
  });

  it("refuses a script that was put together at run time", async () => {
    const end = failure(await run(bash({ command: (() => "echo hi") as never })));
    expect(end.message).to.match(/must be a list of a program and its arguments/);
    expect(end.retryable).to.equal(false);
  });

  it("tells the host which process it started and when it ended", async () => {
    const end = await sh("echo $$");
    expect(end.spawned).to.deep.equal([Number(JSON.parse(end.returnValueJson ?? "0"))]);
    expect(end.exited).to.deep.equal(end.spawned);
  });

  it("ends the whole process group on abort, children that ignore SIGTERM included", async function () {
    this.timeout(20_000);
    const controller = new AbortController();
    const dag = new Dag("d");
    dag.task(
      "t",
      bash({ command: "trap '' TERM; (trap '' TERM; echo child $BASHPID; sleep 600) & echo ready; wait; sleep 600" }),
    )();
    let ready: () => void = () => undefined;
    const isReady = new Promise<void>((resolve) => {
      ready = resolve;
    });
    const pids: number[] = [];
    const { executeTask } = await import("../../sdk/runtime.ts");
    const { workFor } = await import("./harness.ts");
    let output = "";
    const pending = executeTask(dag, workFor({ dag, taskId: "t" }), {
      call: async () => null,
      log: ({ message }) => {
        output += `${message}\n`;
        if (output.includes("ready") && output.includes("child")) ready();
      },
      signal: controller.signal,
      spawned: (pid) => void pids.push(pid),
      exited: () => undefined,
    });
    await isReady;
    pids.push(Number(/child (\d+)/.exec(output)?.[1]));
    expect(pids.map(isAlive)).to.deep.equal([true, true]);
    controller.abort(new Error("cancelled"));
    const end = await pending;
    expect(end.outcome).to.deep.equal({ kind: "cancelled", message: "cancelled" });
    await Promise.all(pids.map(ended));
  });

  it("ends what the command leaves running in the background", async () => {
    const end = await sh("sleep 600 & echo $!");
    const pid = Number(JSON.parse(end.returnValueJson ?? "0"));
    expect(end.outcome.kind).to.equal("success");
    expect(pid).to.be.greaterThan(0);
    await ended(pid);
  }).timeout(15_000);

  it("does not start once the task was aborted", async () => {
    const controller = new AbortController();
    controller.abort(new Error("too late"));
    const end = await sh(`touch ${folder}/started`, {}, { signal: controller.signal });
    expect(end.outcome.kind).to.equal("cancelled");
    expect(readdirSync(folder)).not.to.include("started");
  });
});

describe("a value in a shell script", () => {
  const params = (value: unknown) => ({ context: { params: { x: value } as never } });

  const places: { [place: string]: string } = {
    "outside of quotes": "printf %s {{ params.x }}",
    "inside of a word": "printf %s a{{ params.x }}b",
    "in double quotes": 'printf %s "<{{ params.x }}>"',
    "in single quotes": "printf %s '<{{ params.x }}>'",
    "in $'…'": "printf %s $'\\t{{ params.x }}'",
    "in a substitution": 'printf %s "$(printf %s "{{ params.x }}")"',
    "in a substitution without quotes around it": 'y=$(printf %s {{ params.x }}); printf %s "$y"',
    "behind quotes that are escaped": 'printf %s \\"{{ params.x }}',
    "behind a comment with an apostrophe": "# don't: {{ params.x }}\nprintf %s {{ params.x }}",
    "behind arithmetic": "n=$((1 + 2)); printf %s {{ params.x }}",
    "in a here-string": "cat <<< {{ params.x }}",
  };
  const nasty = [
    `"; touch pwned #`,
    "$(touch pwned)",
    "`touch pwned`",
    "a  b\t*",
    "'; touch pwned; '",
    "\\",
    "-n",
    "é\n€",
    "$" + "{HOME}",
    "",
  ];
  for (const [place, script] of Object.entries(places)) {
    it(`stays what it is ${place}`, async () => {
      for (const value of nasty) {
        const end = await run(bash({ command: `${script}; printf '\\n%s' "$?"`, cwd: folder }), params(value));
        expect(end.outcome.kind, JSON.stringify(end.outcome)).to.equal("success");
        const output = printed(end, "stdout").join("\n");
        expect(output, `${script} with ${JSON.stringify(value)}`).to.contain(value.trimEnd());
      }
      expect(readdirSync(folder)).not.to.include("pwned");
    });
  }

  it("stays what it is whatever it is", async function () {
    this.timeout(60_000);
    const letters = fc.constantFrom(..."\"'`$(){}\\;&|<>#*?~ \t\nab".split(""));
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: letters, minLength: 1, maxLength: 12 }), async (value) => {
        const command = `printf '%s|' {{ params.x }} "{{ params.x }}" '{{ params.x }}' "$(printf %s "{{ params.x }}."))"`;
        const end = await run(bash({ command, cwd: folder }), params(value));
        expect(printed(end, "stdout").join("\n")).to.equal(`${value}|${value}|${value}|${value}.)|`);
      }),
      { numRuns: 60 },
    );
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it("is refused where the shell would read it as code", () => {
    const scripts = [
      'eval "echo {{ ds }}"',
      'bash -c "echo {{ ds }}"',
      "sh -ec 'echo {{ ds }}'",
      "ssh host ls {{ ds }}",
      "x=1; python3 -c 'print({{ ds }})'",
      "node -e '{{ ds }}'",
      "echo `date -d {{ ds }}`",
      "echo $(( {{ params.n }} + 1 ))",
      "(( {{ params.n }} > 1 ))",
      "cat <<EOF\n{{ ds }}\nEOF",
      "echo \\{{ ds }}",
    ];
    for (const command of scripts) {
      refused(
        () => bash({ command }),
        /bash: command has a template in a place where a value could become code: .*Pass the value as env/,
      );
    }
  });

  it("may stand in a script that only looks like it", () => {
    const scripts = [
      "echo evaluate {{ ds }}",
      "./push.sh -c {{ ds }}",
      "echo '<<' {{ ds }}",
      "bash script.sh {{ ds }}",
      "cat <<< {{ ds }}",
    ];
    for (const command of scripts) bash({ command });
  });

  it("leaves scripts without templates alone", async () => {
    const script = 'eval "echo $((1+2))"; cat <<EOF\n`echo hi`\nEOF\nbash -c \'echo {{ "{{" }} }}\'';
    expect(printed(await sh(script), "stdout")).to.deep.equal(["3", "hi", "{{ }}"]);
  });
});

describe("node", () => {
  it("runs a TypeScript file with arguments", async () => {
    const { writeFileSync } = await import("node:fs");
    const script = join(folder, "script.ts");
    writeFileSync(
      script,
      'const day: string = process.argv[2] ?? "";\nconsole.log(JSON.stringify({ day, env: process.env.X }));\n',
    );
    const end = await run(node({ script, args: ["{{ ds }}"], env: { X: "{{ run_id }}" }, output: "json" }));
    expect(end.returnValueJson).to.equal('{"day":"2026-01-31","env":"manual__x"}');
    rmSync(script);
  });

  it("refuses options that are not valid", () => {
    refused(() => node({} as never), /node: the option script is missing/);
    refused(() => node({ script: "x.ts", args: "y" as never }), /node: args must be a list/);
    refused(() => node({ script: "x.ts", args: ["{{ x }}"] }), /node: args\[0\] has the unknown name "x"/);
  });
});
