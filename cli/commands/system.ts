import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Command } from "commander";
import { systemClock } from "../../core/clock.ts";
import { SluiceError } from "../../core/errors.ts";
import { type Config, readConfig } from "../config.ts";
import { createOutput } from "../output.ts";
import { requireRunning, runningInstallation } from "../running.ts";
import { loadSecretKey } from "../secret-key.ts";
import { isJson, withStore } from "../session.ts";
import { describeSettings } from "../settings.ts";
import { VERSION } from "../version.ts";

export async function migrate(_options: object, command: Command): Promise<void> {
  const config = readConfig();
  const { openStore } = await import("../../store/open.ts");
  const store = await openStore({ url: config.databaseUrl, secretKey: loadSecretKey(config.home, config.secretKey) });
  try {
    const version = await store.admin.schemaVersion();
    createOutput(isJson(command)).done({ schema_version: version }, `The database has schema ${version}.`);
  } finally {
    await store.close();
  }
}

export async function login(options: { readonly user: string }, command: Command): Promise<void> {
  await withStore(command, async ({ config, store, out }) => {
    const running = await requireRunning(config, "a login link leads to its pages");
    const { createLoginLink } = await import("../../webserver/auth/sessions.ts");
    const loginUrl = (config.baseUrl || running.url) + (await createLoginLink(store, systemClock, options.user));
    out.done({ loginUrl }, `Log in: ${loginUrl}`);
  });
}

export async function verifyDatabase(_options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const { verify } = await import("../../store/verify.ts");
    const violations = await verify(store, {
      onProgress: ({ phase, done, total }) => out.progress(`Checking ${phase}: ${done} of ${total}`),
    });
    out.progress("");
    if (violations.length > 0) process.exitCode = 1;
    if (out.isJson) out.done(violations, "");
    else if (violations.length === 0) out.done([], "Every invariant holds.");
    else
      out.table(
        violations,
        [
          { name: "invariant", of: (each) => each.invariant },
          { name: "what", of: (each) => each.message },
          { name: "where", of: (each) => [each.dagId, each.runId, each.taskId].filter(Boolean).join(" / ") },
        ],
        "",
      );
  });
}

export async function listConfig(_options: object, command: Command): Promise<void> {
  createOutput(isJson(command)).table(
    describeSettings(readConfig()),
    [
      { name: "setting", of: (row) => row.name },
      { name: "value", of: (row) => row.value },
      { name: "from", of: (row) => row.origin },
      { name: "about", of: (row) => row.about },
    ],
    "",
  );
}

export async function getConfig(name: string, _options: object, command: Command): Promise<void> {
  const setting = describeSettings(readConfig()).find((row) => row.name === name.toUpperCase());
  if (!setting) throw new SluiceError("not_found", `There is no setting "${name}". \`sluice config list\` shows all.`);
  createOutput(isJson(command)).done(setting, setting.value);
}

interface Check {
  readonly check: string;
  readonly status: "ok" | "warning" | "problem";
  readonly detail: string;
}

/** Free space below which a disk is too full to go on for long, bytes. */
const LOW_SPACE = 500_000_000;

export async function doctor(_options: object, command: Command): Promise<void> {
  const config = readConfig();
  const running = await runningInstallation(config.home);
  const checks: Check[] = [
    {
      check: "node",
      status: Number(process.versions.node.split(".")[0]) >= 24 ? "ok" : "problem",
      detail: `runs on ${process.versions.node}; needs 24 or later`,
    },
    folder("state folder", config.home, constants.R_OK | constants.W_OK),
    folder("DAG folder", config.dags, constants.R_OK),
    diskSpace(config),
    keyFile(config),
    clockCheck(),
    running
      ? { check: "running", status: "ok", detail: `process ${running.pid} at ${running.url}` }
      : await portCheck(config),
    ...(await databaseChecks(config)),
  ];
  const out = createOutput(isJson(command));
  out.table(
    checks,
    [
      { name: "check", of: (row) => row.check },
      { name: "status", of: (row) => row.status },
      { name: "detail", of: (row) => row.detail },
    ],
    "",
  );
  if (checks.some((each) => each.status === "problem")) process.exitCode = 1;
}

function folder(check: string, path: string, mode: number): Check {
  if (!existsSync(path)) return { check, status: "warning", detail: `${path} is not there yet` };
  try {
    accessSync(path, mode);
    return { check, status: "ok", detail: path };
  } catch {
    return {
      check,
      status: "problem",
      detail: `${path} is not ${mode & constants.W_OK ? "writable" : "readable"} for this user`,
    };
  }
}

function diskSpace(config: Config): Check {
  const path = existsSync(config.home) ? config.home : ".";
  const { bavail, bsize } = statfsSync(path);
  const free = bavail * bsize;
  return {
    check: "disk space",
    status: free < LOW_SPACE ? "problem" : "ok",
    detail: `${(free / 1e9).toFixed(1)} GB free for the state folder`,
  };
}

function keyFile(config: Config): Check {
  const check = "secret key";
  if (config.secretKey !== "") return { check, status: "ok", detail: "from SLUICE_SECRET_KEY" };
  const path = join(config.home, "secret.key");
  if (!existsSync(path)) return { check, status: "warning", detail: "made at the first start" };
  const isPrivate = (statSync(path).mode & 0o077) === 0;
  return {
    check,
    status: isPrivate ? "ok" : "problem",
    detail: isPrivate ? path : `other users can read ${path}: chmod 600 ${path}`,
  };
}

function clockCheck(): Check {
  const year = new Date().getUTCFullYear();
  return { check: "clock", status: year >= 2025 && year < 2100 ? "ok" : "problem", detail: new Date().toISOString() };
}

function portCheck(config: Config): Promise<Check> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) =>
      resolve({
        check: "port",
        status: "problem",
        detail: `${config.host}:${config.port} cannot be used (${error.message}); set SLUICE_PORT`,
      }),
    );
    server.listen(config.port, config.host, () =>
      server.close(() => resolve({ check: "port", status: "ok", detail: `${config.host}:${config.port} is free` })),
    );
  });
}

async function databaseChecks(config: Config): Promise<readonly Check[]> {
  if (!existsSync(config.databaseUrl.replace(/^sqlite:/, "")))
    return [{ check: "database", status: "warning", detail: "made at the first start" }];
  try {
    const { openStore } = await import("../../store/open.ts");
    const store = await openStore({
      url: config.databaseUrl,
      secretKey: loadSecretKey(config.home, config.secretKey),
      migrate: false,
    });
    try {
      const [schema, integrity, errors] = [
        await store.admin.schemaVersion(),
        await store.admin.integrity(),
        await store.dags.importErrors(),
      ];
      return [
        {
          check: "database",
          status: integrity.length === 0 ? "ok" : "problem",
          detail: integrity.length === 0 ? `schema ${schema}, file is sound` : integrity.slice(0, 3).join("; "),
        },
        {
          check: "import errors",
          status: errors.length === 0 ? "ok" : "warning",
          detail: errors.length === 0 ? "none" : errors.map((error) => error.file).join(", "),
        },
      ];
    } finally {
      await store.close();
    }
  } catch (error) {
    return [{ check: "database", status: "problem", detail: error instanceof Error ? error.message : String(error) }];
  }
}

export async function version(_options: object, command: Command): Promise<void> {
  createOutput(isJson(command)).done({ version: VERSION, node: process.versions.node }, VERSION);
}
