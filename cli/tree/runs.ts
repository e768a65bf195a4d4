import { type Command, InvalidArgumentError } from "commander";
import { RUN_STATES, type RunState } from "../../core/states.ts";
import { numberArgument, repeatable } from "../input.ts";
import { stateArgument, withClearOptions } from "./shared.ts";

/** `runs …`. */
export function addRuns(program: Command): void {
  const load = () => import("../commands/runs.ts");
  const runs = program.command("runs").description("look at and repair runs");
  runs
    .command("list")
    .description("newest runs")
    .argument("[dag]")
    .option("--state <state>", `with this state (repeatable): ${RUN_STATES.join(", ")}`, runStates)
    .option("--limit <n>", "how many", numberArgument(1), 25)
    .action(async (dag, options, command) => (await load()).listRuns(dag, options, command));
  runs
    .command("show")
    .description("one run with its tasks")
    .argument("<dag>")
    .argument("<run>")
    .action(async (dag, run, options, command) => (await load()).showRun(dag, run, options, command));
  withClearOptions(
    runs
      .command("clear")
      .description("run tasks again")
      .argument("<dag>")
      .argument("<run>")
      .option("--task <task>", "only this task (repeatable)", repeatable),
  ).action(async (dag, run, options, command) => (await load()).clearRun(dag, run, options, command));
  runs
    .command("retry")
    .description("run again what failed")
    .argument("<dag>")
    .argument("<run>")
    .action(async (dag, run, _options, command) => (await load()).clearRun(dag, run, { onlyFailed: true }, command));
  runs
    .command("cancel")
    .description("stop a run: running tasks fail, the rest is skipped")
    .argument("<dag>")
    .argument("<run>")
    .action(async (dag, run, options, command) => (await load()).stopRun(dag, run, options, command));
  runs
    .command("mark")
    .description("end a run with a state, or queue it again")
    .argument("<dag>")
    .argument("<run>")
    .addArgument(stateArgument(["success", "failed", "queued"]))
    .action(async (dag, run, state, _options, command) => (await load()).setRunState(dag, run, state, command));
  runs
    .command("delete")
    .description("delete a run that is not running")
    .argument("<dag>")
    .argument("<run>")
    .option("--yes", "really")
    .action(async (dag, run, options, command) => (await load()).deleteRun(dag, run, options, command));
}

function runStates(value: string, before: readonly RunState[] = []): readonly RunState[] {
  return repeatable(value, before).map((given) => {
    const state = RUN_STATES.find((each) => each === given);
    if (state === undefined) throw new InvalidArgumentError(`Choose from ${RUN_STATES.join(", ")}.`);
    return state;
  });
}
