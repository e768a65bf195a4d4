import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { SluiceError } from "../core/errors.ts";

/** Raised when a setting cannot be used; the message names the variable, the value and what is allowed. */
export class ConfigError extends SluiceError {
  constructor(message: string) {
    super("invalid_config", message);
  }
}

const truth = z.stringbool({ truthy: ["true", "1", "yes", "on"], falsy: ["false", "0", "no", "off"] });
const list = z.string().transform((text) =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== ""),
);

/**
 * Every setting: its variable, schema, default (as text) and one sentence. `docs/configuration.md` and `sluice config` are
 * generated from this table. Each may also be given as `<NAME>_FILE`, the path of a file that holds the value.
 */
export const SETTINGS = {
  home: {
    variable: "SLUICE_HOME",
    schema: z.string().min(1),
    fallback: "./.sluice",
    about: "Folder of all state: database, logs, bundles, secret key.",
  },
  dags: {
    variable: "SLUICE_DAGS",
    schema: z.string().min(1),
    fallback: "./dags",
    about: "Folder of DAG files; watched.",
  },
  plugins: {
    variable: "SLUICE_PLUGINS",
    schema: z.string().min(1),
    fallback: "./plugins",
    about: "Folder of plugins.",
  },
  host: {
    variable: "SLUICE_HOST",
    schema: z.string().min(1),
    fallback: "127.0.0.1",
    about: "Address the web server listens on.",
  },
  port: {
    variable: "SLUICE_PORT",
    schema: z.coerce.number().int().min(0).max(65_535),
    fallback: "8080",
    about: "Port of the web server; 0 takes any free one.",
  },
  baseUrl: {
    variable: "SLUICE_BASE_URL",
    schema: z.url({ protocol: /^https?$/ }).or(z.literal("")),
    fallback: "",
    about: "Address under which users reach the pages; empty = http://<host>:<port>.",
  },
  databaseUrl: {
    variable: "SLUICE_DATABASE_URL",
    schema: z
      .string()
      .regex(/^(sqlite:|mysql:\/\/|postgres(ql)?:\/\/)/, "must begin with sqlite:, mysql:// or postgres://")
      .or(z.literal("")),
    fallback: "",
    about: "Database; empty = SQLite in the state folder.",
  },
  executor: { variable: "SLUICE_EXECUTOR", schema: z.enum(["local"]), fallback: "local", about: "Where tasks run." },
  slots: {
    variable: "SLUICE_SLOTS",
    schema: z.coerce.number().int().min(1).max(10_000),
    fallback: "",
    about: "Tasks at once; empty = 4 × cores.",
  },
  queues: {
    variable: "SLUICE_QUEUES",
    schema: list,
    fallback: "default",
    about: "Queues this process takes tasks from, comma-separated; * = all.",
  },
  secretKey: {
    variable: "SLUICE_SECRET_KEY",
    schema: z
      .string()
      .regex(/^([0-9a-fA-F]{64}|[A-Za-z0-9+/]{43}=)$/, "must be 32 bytes as 64 hex digits or base64")
      .or(z.literal("")),
    fallback: "",
    about:
      "Key that encrypts connections and variables; empty = a file secret.key (mode 0600) in the state folder, made at the first start.",
  },
  newDagsPaused: {
    variable: "SLUICE_NEW_DAGS_PAUSED",
    schema: truth,
    fallback: "false",
    about: "Whether a new DAG starts paused.",
  },
  logLevel: {
    variable: "SLUICE_LOG_LEVEL",
    schema: z.enum(["debug", "info", "warn", "error", "silent"]),
    fallback: "info",
    about: "Level of the system's own log on stderr.",
  },
  taskLogLimitBytes: {
    variable: "SLUICE_TASK_LOG_LIMIT_BYTES",
    schema: z.coerce.number().int().min(1_024),
    fallback: "20000000",
    about: "Log kept per try; beyond it a marker says what was left out.",
  },
  xcomLimitBytes: {
    variable: "SLUICE_XCOM_LIMIT_BYTES",
    schema: z.coerce.number().int().min(1_024),
    fallback: "1000000",
    about: "Largest XCom; a larger value fails its task.",
  },
  killGraceSeconds: {
    variable: "SLUICE_KILL_GRACE_SECONDS",
    schema: z.coerce.number().min(0).max(3_600),
    fallback: "5",
    about: "Time between the polite request to stop and SIGKILL.",
  },
  leaseSeconds: {
    variable: "SLUICE_LEASE_SECONDS",
    schema: z.coerce.number().min(3).max(3_600),
    fallback: "15",
    about: "Lease of workers and schedulers; a dead one is noticed when it ends.",
  },
  sessionDays: {
    variable: "SLUICE_SESSION_DAYS",
    schema: z.coerce.number().min(0.01).max(365),
    fallback: "14",
    about: "How long a login lasts.",
  },
} as const;

type Settings = typeof SETTINGS;
type Parsed = { readonly [key in keyof Settings]: z.output<Settings[key]["schema"]> };

/** The settings in force, defaults filled in, folders absolute. */
export interface Config extends Omit<Parsed, "slots" | "databaseUrl"> {
  readonly slots: number;
  readonly databaseUrl: string;
  /** Where each value came from: "default", the variable's name, or "file <path>". */
  readonly origins: { readonly [key in keyof Settings]: string };
}

type Environment = { readonly [name: string]: string | undefined };

/** Reads the settings. Throws `ConfigError` naming every unusable value at once. */
export function readConfig(env: Environment = process.env, cwd: string = process.cwd()): Config {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  for (const [key, setting] of Object.entries(SETTINGS)) {
    const given = readSetting(setting.variable, env, problems);
    origins[key] = given?.origin ?? "default";
    const text = given?.text ?? setting.fallback;
    if (text === "" && setting.fallback === "") {
      values[key] = "";
      continue;
    }
    const parsed = setting.schema.safeParse(text);
    if (parsed.success) values[key] = parsed.data;
    else
      problems.push(
        `${setting.variable} is ${JSON.stringify(shown(key, text))}: ${parsed.error.issues.map((issue) => issue.message).join("; ")}`,
      );
  }
  if (problems.length > 0)
    throw new ConfigError(`The configuration cannot be used:\n  ${problems.join("\n  ")}\nSee docs/configuration.md.`);
  const parsed = values as unknown as Parsed;
  const home = resolve(cwd, parsed.home);
  return {
    ...parsed,
    home,
    dags: resolve(cwd, parsed.dags),
    plugins: resolve(cwd, parsed.plugins),
    slots: parsed.slots || 4 * cpus().length,
    databaseUrl: parsed.databaseUrl || `sqlite:${join(home, "sluice.db")}`,
    origins: origins as Config["origins"],
  };
}

function readSetting(
  variable: string,
  env: Environment,
  problems: string[],
): { text: string; origin: string } | undefined {
  const direct = env[variable];
  if (direct !== undefined) return { text: direct, origin: variable };
  const path = env[`${variable}_FILE`];
  if (path === undefined) return undefined;
  try {
    return { text: readFileSync(path, "utf8").trim(), origin: `file ${path}` };
  } catch (error) {
    problems.push(`${variable}_FILE names ${path}, which cannot be read (${(error as Error).message})`);
    return undefined;
  }
}

/** Values of secret settings never appear in messages. */
function shown(key: string, text: string): string {
  return key === "secretKey" || key === "databaseUrl" ? "***" : text;
}
