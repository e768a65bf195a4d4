import { Command } from "commander";

/** A required argument with these states to choose from. */
export function stateArgument(states: readonly string[]) {
  return new Command().createArgument("<state>", states.join(" | ")).choices([...states]);
}

/** How far a command reaches beyond the task that is named. */
export function withDirections(command: Command): Command {
  return command
    .option("--upstream", "and everything above")
    .option("--downstream", "and everything below")
    .option("--past", "and the same tasks of earlier runs")
    .option("--future", "and the same tasks of later runs")
    .option("--dry-run", "only list what would be touched");
}

/** The options of every command that clears. */
export function withClearOptions(command: Command): Command {
  return withDirections(command)
    .option("--only-failed", "only what failed")
    .option("--latest", "go over to the newest version of the DAG");
}
