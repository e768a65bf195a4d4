/**
 * Starts Sluice as a newcomer does (`npm start`, an empty state folder, any free port) and checks what the newcomer
 * relies on: the ready line, the health page, the login link, pages closed without it, and a clean end on SIGTERM.
 * Prints what it checked; exits with 1 at the first thing that does not hold.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import {
  childrenOf,
  commandOf,
  isRunning,
  projectRoot,
  startProcess,
  type TestProcess,
  within,
} from "../test/support/processes.ts";
import { tempFolder } from "../test/support/temp.ts";

/** A first start parses the examples and migrates an empty database, perhaps on a busy machine. */
const READY_MS = 60_000;
const STOP_MS = 30_000;

const check = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`Does not hold: ${what}`);
  console.log(`  ok: ${what}`);
};

async function startsForPeople(): Promise<void> {
  using home = tempFolder("smoke");
  await using app = startProcess(["npm", "start"], { env: settings(home.path) });
  const url = urlIn(await app.line(/^Sluice is ready at /, READY_MS));
  const loginUrl = urlIn(await app.line(/Log in: /, READY_MS));

  const [up] = childrenOf(app.pid);
  check(
    up !== undefined && commandOf(up).includes("cli/main.ts up"),
    "npm's child is Sluice itself, with no shell between",
  );
  check((await get(`${url}/healthz`)).status === 200, `GET ${url}/healthz answers 200`);

  const closed = await get(`${url}/dags`);
  check(closed.status >= 300 && closed.status < 400, "/dags without login redirects");
  check(new URL(closed.headers.get("location") ?? "", url).pathname === "/login", "... to /login");

  const cookies = await follow(loginUrl);
  check(cookies !== "", "the login link opens a session");
  const open = await get(`${url}/dags`, cookies);
  check(open.status === 200 && (await open.text()).includes("<html"), "/dags shows its page after login");
  check((await get(`${url}/dags`)).status !== 200, "... and stays closed to others");
  check(readdirSync(home.path).length > 0, "the state is in SLUICE_HOME");

  process.kill(up ?? app.pid, "SIGTERM");
  const end = await within(app.ended, STOP_MS, () => `the end after SIGTERM\n${app.stdout()}${app.stderr()}`);
  check(end.code === 0, `SIGTERM ends it with exit code 0 (was ${end.code ?? end.signal})`);
  check(up === undefined || !isRunning(up), "no process is left");
}

async function startsForScripts(): Promise<void> {
  using home = tempFolder("smoke");
  await using app = startProcess(["sh", "scripts/start.sh", "--json"], { env: settings(home.path) });
  const ready = await readyJson(app);
  check(ready.pid === app.pid, "up --json names the pid of the process that was started");
  check((await get(`${ready.url}/healthz`)).status === 200, `GET ${ready.url}/healthz answers 200`);
  check((await follow(ready.loginUrl)) !== "", "loginUrl opens a session");
  const end = await app.stop("SIGTERM", STOP_MS);
  check(end.code === 0, `SIGTERM ends it with exit code 0 (was ${end.code ?? end.signal})`);
  check(app.stdout().trim().split("\n").length === 1, "--json prints one line on stdout and nothing else");
}

function settings(home: string): Record<string, string> {
  return { SLUICE_HOME: home, SLUICE_PORT: "0", SLUICE_DAGS: join(projectRoot, "dags") };
}

async function readyJson(app: TestProcess): Promise<{ url: string; loginUrl: string; pid: number }> {
  return JSON.parse(await app.line(/^\{.*"loginUrl"/, READY_MS));
}

function urlIn(line: string): string {
  const url = /https?:\/\/\S+/.exec(line)?.[0];
  if (url === undefined) throw new Error(`No address in the line: ${line}`);
  return url.replace(/\/$/, "");
}

function get(url: string, cookies = ""): Promise<Response> {
  return fetch(url, { redirect: "manual", headers: { accept: "text/html", ...(cookies && { cookie: cookies }) } });
}

/** Opens a page as a browser does, through its redirects, and gives the cookies it was handed on the way. */
async function follow(address: string): Promise<string> {
  const jar = new Map<string, string>();
  const cookies = () => [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
  let url = address;
  for (let hop = 0; hop < 5; hop++) {
    const response = await get(url, cookies());
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (name !== undefined && value !== undefined) jar.set(name, value);
    }
    const location = response.headers.get("location");
    if (location === null) {
      check(response.status === 200, `the login link ends at a page (${response.status} ${new URL(url).pathname})`);
      return cookies();
    }
    url = new URL(location, url).href;
  }
  throw new Error(`The login link redirects without end, last to ${url}`);
}

console.log("Smoke: npm start");
await startsForPeople();
console.log("Smoke: up --json");
await startsForScripts();
