import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../core/clock.ts";
import { SluiceError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Store } from "../store/store.ts";
import type { Config } from "./config.ts";
import { createLogger } from "./logging.ts";
import { loadSecretKey } from "./secret-key.ts";
import { VERSION } from "./version.ts";

/** Which parts `up` starts; `scheduler`, `worker` and `webserver` are the same with fewer of them. */
export interface Parts {
  readonly scheduler: boolean;
  readonly web: boolean;
}

/** A running installation. */
export interface Installation {
  readonly store: Store;
  /** Where the pages are, when there are any. */
  readonly url: string | undefined;
  /** A fresh one-time login link. */
  loginUrl(): Promise<string>;
  /** Drains and ends every part; resolves when no child process is left. */
  stop(): Promise<void>;
}

/** How often a web server without a scheduler looks for commits of the process that has one, so that its pages are live. */
const FOLLOW_MS = 250;

/**
 * Assembles the house: the only place that knows all rooms. The web server listens before DAG files are read, so that the first page
 * is there while they are.
 */
export async function startInstallation(
  config: Config,
  parts: Parts,
  clock: Clock = systemClock,
): Promise<Installation> {
  mkdirSync(config.home, { recursive: true, mode: 0o700 });
  const [{ openStore }, { SecretMasker }] = await Promise.all([
    import("../store/open.ts"),
    import("../executor/logs/masker.ts"),
  ]);
  const masker = new SecretMasker();
  const logger = createLogger(config.logLevel, masker.mask);
  const store = await openStore({
    url: config.databaseUrl,
    secretKey: loadSecretKey(config.home, config.secretKey),
    exclusive: parts.scheduler,
    hintFile: join(config.home, "hint"),
    followMs: parts.scheduler ? undefined : FOLLOW_MS,
  });
  const stops: (() => Promise<void>)[] = [() => store.close()];
  try {
    return await assemble(config, parts, { clock, logger, store, masker, stops });
  } catch (error) {
    await stopAll(stops);
    throw error;
  }
}

interface Foundation {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: Store;
  readonly masker: import("../executor/logs/masker.ts").SecretMasker;
  /** In order of start; run backwards to stop. */
  readonly stops: (() => Promise<void>)[];
}

async function assemble(config: Config, parts: Parts, base: Foundation): Promise<Installation> {
  const { FolderLogStore } = await import("../executor/logs/folder.ts");
  const logs = new FolderLogStore(join(config.home, "logs"), { mask: base.masker.mask, logger: base.logger });
  base.stops.push(() => logs.close());
  const engine = parts.scheduler ? await startEngine(config, base, logs) : undefined;
  const url = parts.web ? await startWeb(config, base, logs, engine) : undefined;
  // Last, because reading files is the only part that takes its time.
  if (engine) await engine.startLoading();
  return {
    store: base.store,
    url,
    async loginUrl() {
      const { createLoginLink } = await import("../webserver/auth/sessions.ts");
      return (config.baseUrl || url || "") + (await createLoginLink(base.store, base.clock));
    },
    stop: () => stopAll(base.stops),
  };
}

async function stopAll(stops: (() => Promise<void>)[]): Promise<void> {
  for (const stop of stops.splice(0).reverse()) await stop();
}

type Logs = import("../executor/logs/folder.ts").FolderLogStore;

interface Engine {
  readonly scheduler: import("../scheduler/scheduler.ts").Scheduler;
  readonly loader: import("../loader/loader.ts").Loader;
  startLoading(): Promise<void>;
}

async function startEngine(config: Config, base: Foundation, logs: Logs): Promise<Engine> {
  const { clock, logger, store } = base;
  const [{ LocalExecutor }, { storeClientCalls }, { storeTrigger }, { killLeftovers }, { Scheduler }, { Loader }] =
    await Promise.all([
      import("../executor/local.ts"),
      import("../executor/client-calls.ts"),
      import("../executor/trigger-run.ts"),
      import("../executor/recovery.ts"),
      import("../scheduler/scheduler.ts"),
      import("../loader/loader.ts"),
    ]);
  const workerId = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const killed = await killLeftovers(config.home);
  if (killed.length > 0) logger.warn({ killed }, "ended processes that an earlier start had left running");
  const calls = storeClientCalls(store, {
    trigger: storeTrigger(store, clock),
    masker: base.masker,
    xcomMaxBytes: config.xcomLimitBytes,
  });
  const executor = new LocalExecutor({
    home: config.home,
    dagsFolder: config.dags,
    store,
    logs,
    calls,
    workerId,
    clock,
    logger,
    slots: config.slots,
    queues: config.queues,
    mask: base.masker.mask,
    version: VERSION,
    limits: {
      graceMs: config.killGraceSeconds * 1_000,
      leaseMs: config.leaseSeconds * 1_000,
      logBytes: config.taskLogLimitBytes,
      xcomMaxBytes: config.xcomLimitBytes,
    },
  });
  const scheduler = new Scheduler({ store, executors: new Map([["local", executor]]), clock, logger, workerId });
  await scheduler.start();
  base.stops.push(() => scheduler.stop());
  const loader = new Loader({
    store,
    dagsFolder: config.dags,
    home: config.home,
    clock,
    logger,
    isPausedByDefault: config.newDagsPaused,
  });
  return {
    scheduler,
    loader,
    async startLoading() {
      await loader.start();
      base.stops.push(() => loader.stop());
    },
  };
}

async function startWeb(config: Config, base: Foundation, logs: Logs, engine: Engine | undefined): Promise<string> {
  const [{ createApp }, { assets }, { installationHealth }, { describeSettings }] = await Promise.all([
    import("../webserver/app.ts"),
    import("../webserver/assets.ts"),
    import("./health.ts"),
    import("./settings.ts"),
  ]);
  // Now, while nobody waits for a page and no task for its turn.
  await assets();
  let url = "";
  const app = createApp({
    store: base.store,
    logs,
    clock: base.clock,
    logger: base.logger,
    version: VERSION,
    baseUrl: () => config.baseUrl || url,
    sessionMs: config.sessionDays * 86_400_000,
    explain: engine?.scheduler,
    reparse: engine && ((file) => engine.loader.reparse(file)),
    health: installationHealth(base.store, base.clock, engine, logs),
    dagsFolder: config.dags,
    xcomLimitBytes: config.xcomLimitBytes,
    settings: () => describeSettings(config),
  });
  const server = createServer({ requestTimeout: 60_000, headersTimeout: 15_000, maxHeaderSize: 16_384 }, app);
  await listen(server, config);
  base.stops.push(() => closeServer(server));
  const { port } = server.address() as AddressInfo;
  url = `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${port}`;
  return config.baseUrl || url;
}

function listen(server: Server, config: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const hint =
        error.code === "EADDRINUSE"
          ? "Another program uses it; stop that one, or set SLUICE_PORT (0 = any free port)."
          : "Check SLUICE_HOST and SLUICE_PORT.";
      reject(
        new SluiceError("cannot_listen", `Cannot listen on ${config.host}:${config.port} (${error.message}). ${hint}`),
      );
    });
    server.listen(config.port, config.host, () => resolve());
  });
}

/** Idle connections and live streams are cut; requests under way finish. */
async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), 500);
  await closed;
  clearTimeout(cut);
}
