import { connect, createServer } from "node:net";
import { scheduler } from "node:timers/promises";
import { after, before } from "mocha";
import { findProgram, missingIsFailure, missingMessage, type Requirement } from "../../scripts/provision.ts";
import { runProcess, startProcess, type TestProcess } from "./processes.ts";
import { type TempFolder, tempFolder } from "./temp.ts";

/** How to run a private instance of a server: a free port of 127.0.0.1, its data in a temp folder. */
export interface ServerDefinition {
  /** Its entry in `scripts/provision.ts`. */
  readonly requirement: Requirement;
  /** The command that makes the empty folder ready for it, if it needs one. */
  readonly prepare?: (program: string, folder: string) => readonly string[];
  /** The command that runs it in the foreground. */
  readonly command: (program: string, folder: string, port: number) => readonly string[];
  /** Where clients find it. */
  readonly url: (port: number) => string;
}

/** A running server of one suite. */
export interface TestServer {
  /** Valid inside tests and hooks of the suite. */
  readonly url: string;
  /** Ends it as a crash does (SIGKILL), and starts it again on the same port and data. */
  crash(): Promise<void>;
  restart(): Promise<void>;
}

/** A server that does not accept connections by then is broken. */
const START_MS = 60_000;

/**
 * Call inside `describe`: the server starts before the suite and ends after it, with its data. Where it is not installed
 * the suite is skipped, or fails with `CI=true`.
 */
export function withServer(definition: ServerDefinition): TestServer {
  let folder: TempFolder | undefined;
  let port = 0;
  let server: TestProcess | undefined;

  const start = async () => {
    const program = findProgram(definition.requirement);
    if (program === undefined || folder === undefined) throw new Error("withServer() works inside its suite only");
    server = startProcess(definition.command(program, folder.path, port), { cwd: folder.path });
    await acceptsConnections(server, port);
  };

  before(`start ${definition.requirement.name}`, async function () {
    this.timeout(START_MS * 2);
    const program = findProgram(definition.requirement);
    if (program === undefined) {
      if (missingIsFailure()) throw new Error(missingMessage(definition.requirement));
      this.skip(); // Not installed and may not be; the test run has said so.
    }
    folder = tempFolder(definition.requirement.name.toLowerCase());
    port = await freePort();
    const prepare = definition.prepare?.(program, folder.path);
    const prepared = prepare && (await runProcess(prepare, { cwd: folder.path, timeoutMs: START_MS }));
    if (prepared && prepared.code !== 0) throw new Error(`${prepare?.join(" ")} failed: ${prepared.stderr}`);
    await start();
  });
  after(`end ${definition.requirement.name}`, async () => {
    await server?.[Symbol.asyncDispose]();
    folder?.[Symbol.dispose]();
  });

  return {
    get url() {
      return definition.url(port);
    },
    crash: async () => void (await server?.kill()),
    restart: start,
  };
}

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve, reject) => probe.once("listening", resolve).once("error", reject));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Servers do not agree on a line that says they are ready, but all of them accept a connection then. */
async function acceptsConnections(server: TestProcess, port: number): Promise<void> {
  const deadline = performance.now() + START_MS;
  const ended = server.ended.then(({ code }) => {
    throw new Error(`The server ended with ${code} instead of starting:\n${server.stdout()}${server.stderr()}`);
  });
  const connected = async () => {
    while (!(await canConnect(port))) {
      if (performance.now() > deadline) throw new Error(`The server did not listen on ${port} within ${START_MS} ms`);
      await scheduler.wait(20);
    }
  };
  await Promise.race([connected(), ended]);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
