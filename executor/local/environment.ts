/**
 * The environment of a runner: the author's own variables, without anything that opens Sluice's doors. Task processes run as the same
 * user and can be made to print their environment; what is not in it cannot leak that way.
 */

/** Values that only the host may know. Everything named `SLUICE_…_FILE` goes too: it says where such a value lies. */
const SECRETS: ReadonlySet<string> = new Set(["SLUICE_SECRET_KEY", "SLUICE_DATABASE_URL", "SLUICE_REDIS_URL"]);

/** Connections reach a task through `getClient().getConnection`, which masks their passwords in its log. */
const CONNECTION_PREFIX = "SLUICE_CONN_";

/** Marks that lead back from any process to what started it. */
export interface RunnerMarks {
  /** Absolute state folder: leftovers are looked for per installation. */
  readonly home: string;
  /** Changes with every start of the host. */
  readonly bootId: string;
  /** One runner process, unique on this machine. */
  readonly runnerId: string;
}

/** What a runner is started with: `env` without secrets, with the marks. */
export function runnerEnvironment(env: NodeJS.ProcessEnv, marks: RunnerMarks): NodeJS.ProcessEnv {
  const result: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(env)) if (!isWithheld(name)) result[name] = value;
  if (result.NODE_OPTIONS !== undefined) result.NODE_OPTIONS = withoutDebugger(result.NODE_OPTIONS);
  result.SLUICE_HOME = marks.home;
  result.SLUICE_BOOT_ID = marks.bootId;
  result.SLUICE_RUNNER = marks.runnerId;
  return result;
}

function isWithheld(name: string): boolean {
  return (
    SECRETS.has(name) ||
    name.startsWith(CONNECTION_PREFIX) ||
    (name.startsWith("SLUICE_") && name.endsWith("_FILE")) ||
    name === "NODE_CHANNEL_FD"
  );
}

/** A debugger asked for the host would be started once per runner, on the same port. */
function withoutDebugger(nodeOptions: string): string {
  return nodeOptions
    .split(/\s+/)
    .filter((option) => !option.startsWith("--inspect"))
    .join(" ");
}
