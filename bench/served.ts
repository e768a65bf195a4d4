import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { Agent, get, type IncomingMessage } from "node:http";
import { fileURLToPath } from "node:url";
import type { Counted, Serving } from "./serving.ts";

/** An installation that serves in a process of its own, and a browser that has logged in. */
export interface Served {
  readonly pid: number;
  /** What it has counted since the last time. */
  counted(): Promise<Counted>;
  /** The whole page, uncompressed. Throws unless it is there. */
  page(path: string): Promise<string>;
  /** Listens to a stream until `stop`. */
  listen(path: string): Promise<void>;
  stop(): Promise<void>;
}

const SERVING = fileURLToPath(new URL("./serving.ts", import.meta.url));

/** `parts`: "web" = pages only, without scheduler and loader. */
export async function serve(home: string, dags: string, parts: "up" | "web"): Promise<Served> {
  const env = { ...process.env, SLUICE_HOME: home, SLUICE_DAGS: dags, SLUICE_PORT: "0", SLUICE_LOG_LEVEL: "warn" };
  const child = fork(SERVING, [parts], { env, execArgv: ["--disable-warning=ExperimentalWarning"] });
  const [{ url, loginUrl }] = (await once(child, "message")) as [Serving];
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const login = await answerOf(loginUrl, agent);
  const cookie = (login.headers["set-cookie"] ?? []).map((each) => each.split(";")[0]).join("; ");
  await textOf(login);
  return {
    pid: child.pid ?? 0,
    counted: () => ask(child),
    async page(path) {
      const answer = await answerOf(url + path, agent, cookie);
      if (answer.statusCode !== 200) throw new Error(`${path} answers ${answer.statusCode}`);
      return textOf(answer);
    },
    async listen(path) {
      (await answerOf(url + path, agent, cookie)).resume();
    },
    async stop() {
      agent.destroy();
      child.disconnect();
      await once(child, "exit");
    },
  };
}

async function ask(child: ChildProcess): Promise<Counted> {
  child.send("count");
  const [counted] = (await once(child, "message")) as [Counted];
  return counted;
}

/** The answer's head. */
export function answerOf(url: string, agent?: Agent, cookie?: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { ...(agent ? { agent } : {}), ...(cookie ? { headers: { cookie } } : {}) }, resolve).on("error", reject);
  });
}

/** The answer's body. */
export async function textOf(answer: IncomingMessage): Promise<string> {
  answer.setEncoding("utf8");
  let text = "";
  for await (const part of answer) text += part;
  return text;
}

/** What a process and all its descendants use now: resident memory, and CPU since each began. */
export function usageOf(root: number): { readonly rssMb: number; readonly cpuMs: number; readonly processes: number } {
  const known = new Map<number, { parent: number; cpuMs: number; rssMb: number }>();
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    try {
      // After the name, which may hold anything: state, parent, …; utime, stime and rss are fields 14, 15 and 24.
      const text = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = text
        .slice(text.lastIndexOf(")") + 2)
        .split(" ")
        .map(Number);
      const [parent = 0, ticks, pages] = [fields[1], (fields[11] ?? 0) + (fields[12] ?? 0), fields[21] ?? 0];
      known.set(pid, { parent, cpuMs: ticks * 10, rssMb: (pages * 4_096) / 2 ** 20 });
    } catch {
      // It has ended meanwhile.
    }
  }
  const family = [...known].filter(([pid]) => isWithin(pid, root, known));
  const sum = (field: "rssMb" | "cpuMs") => family.reduce((total, [, usage]) => total + usage[field], 0);
  return { rssMb: sum("rssMb"), cpuMs: sum("cpuMs"), processes: family.length };
}

function isWithin(pid: number, root: number, known: ReadonlyMap<number, { readonly parent: number }>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 0; at = known.get(at)?.parent) {
    if (at === root) return true;
  }
  return false;
}
