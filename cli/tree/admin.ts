import { type Command, Option } from "commander";
import { numberArgument } from "../input.ts";

export function addAdmin(program: Command): void {
  const load = () => import("../commands/admin.ts");
  const conflict = () =>
    new Option("--on-conflict <what>", "what to do with names that exist")
      .choices(["fail", "skip", "overwrite"])
      .default("fail");
  const variables = program.command("variables").description("values that tasks read by name");
  variables
    .command("list")
    .description("names of all variables")
    .action(async (options, command) => (await load()).listVariables(options, command));
  variables
    .command("get")
    .description("one value")
    .argument("<key>")
    .action(async (key, options, command) => (await load()).getVariable(key, options, command));
  variables
    .command("set")
    .description("create or change one")
    .argument("<key>")
    .argument("<value>", "- reads it from stdin")
    .option("--description <text>")
    .action(async (key, value, options, command) => (await load()).setVariable(key, value, options, command));
  variables
    .command("delete")
    .description("delete one")
    .argument("<key>")
    .action(async (key, options, command) => (await load()).deleteVariable(key, options, command));
  variables
    .command("export")
    .description("print all as JSON")
    .action(async (options, command) => (await load()).exportVariables(options, command));
  variables
    .command("import")
    .description("read a JSON object of names and values")
    .argument("<file>", "- for stdin")
    .addOption(conflict())
    .action(async (file, options, command) => (await load()).importVariables(file, options, command));
  const connections = program.command("connections").description("addresses and credentials of other systems");
  connections
    .command("list")
    .description("all connections, without secrets")
    .action(async (options, command) => (await load()).listConnections(options, command));
  connections
    .command("get")
    .description("one connection, secrets masked")
    .argument("<id>")
    .action(async (id, options, command) => (await load()).getConnection(id, options, command));
  connections
    .command("add")
    .description("store one")
    .argument("<id>")
    .requiredOption(
      "--uri <uri>",
      "URI or JSON; - reads it from stdin, so that no secret stands in the shell's history",
    )
    .option("--description <text>")
    .option("--replace", "overwrite an existing one")
    .action(async (id, options, command) => (await load()).addConnection(id, options, command));
  connections
    .command("delete")
    .description("delete one")
    .argument("<id>")
    .action(async (id, options, command) => (await load()).deleteConnection(id, options, command));
  connections
    .command("export")
    .description("print all as JSON")
    .option("--secrets", "with passwords in clear")
    .action(async (options, command) => (await load()).exportConnections(options, command));
  connections
    .command("import")
    .description("read a JSON object of ids and URIs or objects")
    .argument("<file>", "- for stdin")
    .addOption(conflict())
    .action(async (file, options, command) => (await load()).importConnections(file, options, command));
  const pools = program.command("pools").description("limits that tasks of all DAGs share");
  pools
    .command("list")
    .description("all pools with their use")
    .action(async (options, command) => (await load()).listPools(options, command));
  pools
    .command("get")
    .description("one pool")
    .argument("<name>")
    .action(async (name, options, command) => (await load()).getPool(name, options, command));
  pools
    .command("set")
    .description("create or change one")
    .argument("<name>")
    .argument("<slots>", "-1 = unlimited", numberArgument(-1))
    .option("--description <text>")
    .option("--include-deferred", "deferred tasks keep their slots")
    .action(async (name, slots, options, command) => (await load()).setPool(name, slots, options, command));
  pools
    .command("delete")
    .description("delete one")
    .argument("<name>")
    .action(async (name, options, command) => (await load()).deletePool(name, options, command));
  const tokens = program.command("tokens").description("access for programs");
  tokens
    .command("create")
    .description("create a token; it is shown once")
    .requiredOption("--name <name>", "what it is for")
    .addOption(
      new Option(
        "--role <role>",
        "viewer reads; user operates DAGs; op also pools, variables and connections; admin everything",
      )
        .choices(["viewer", "user", "op", "admin"])
        .default("user"),
    )
    .action(async (options, command) => (await load()).createToken(options, command));
  tokens
    .command("list")
    .description("all tokens")
    .action(async (options, command) => (await load()).listTokens(options, command));
  tokens
    .command("revoke")
    .description("end a token")
    .argument("<id>", "its number", numberArgument(1))
    .action(async (id, options, command) => (await load()).revokeToken(id, options, command));
}
