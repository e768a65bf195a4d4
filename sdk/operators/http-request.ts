import { SluiceError } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { describe } from "../checks.ts";
import { FailFast, RetryAfter } from "../errors.ts";
import type { HostConnection } from "../host.ts";
import { jsonText } from "../json-value.ts";
import { renderJson, renderText } from "../render.ts";
import type { TaskRun } from "../task-run.ts";
import type { AnyText } from "../text.ts";
import type { HttpAnswer, RequestPlan } from "./http.ts";

/** An answer was not what the task needs. */
export class HttpError extends SluiceError {
  readonly status: number;

  constructor(message: string, status: number) {
    super("http_error", message);
    this.name = "HttpError";
    this.status = status;
  }
}

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;

/** Makes the request and reads the whole answer. @throws Error when there is no answer in time, or it is too long. */
export async function request(plan: RequestPlan, run: TaskRun): Promise<HttpAnswer> {
  const connection = plan.connection === undefined ? undefined : await findConnection(plan.connection, run);
  const url = await targetOf(plan, connection, run);
  const body = await bodyOf(plan, run);
  const headers = await headersOf(plan, connection, run);
  const method = plan.method ?? (body === undefined ? "GET" : "POST");
  const timeoutMs = plan.timeout ?? DEFAULT_TIMEOUT_MS;
  const deadline = AbortSignal.timeout(timeoutMs);
  const startedAt = performance.now();
  try {
    const response = await fetch(url, { method, headers, body, signal: AbortSignal.any([run.host.signal, deadline]) });
    const text = await readBody(response, plan.maxBytes ?? DEFAULT_MAX_BYTES);
    const ms = Math.round(performance.now() - startedAt);
    run.host.log({
      level: "info",
      source: "sluice",
      message: `${method} ${shown(url)} → ${response.status} in ${ms} ms, ${text.length} characters`,
    });
    return { status: response.status, headers: Object.fromEntries(response.headers), text, json: parseJson(text) };
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    if (deadline.aborted) throw new HttpError(`${method} ${shown(url)} had no answer within ${timeoutMs / 1000} s.`, 0);
    throw new HttpError(`${method} ${shown(url)} failed: ${causeOf(error)}`, 0);
  }
}

/** @throws HttpError, or RetryAfter when the server says when to come again. */
export async function requireSuccess(
  answer: HttpAnswer,
  check: ((answer: HttpAnswer) => boolean | Promise<boolean>) | undefined,
): Promise<void> {
  const isSuccess = check === undefined ? isOk(answer) : (await check(answer)) !== false;
  if (isSuccess) return;
  const message = `The server answered ${answer.status}${isOk(answer) ? ", but check returned false" : ""}: ${answer.text.slice(0, 500)}`;
  const retryAfter = parseRetryAfter(answer.headers["retry-after"]);
  if (retryAfter !== undefined) throw new RetryAfter(retryAfter, message);
  throw new HttpError(message, answer.status);
}

/** Whether the status is 200 to 299. */
export function isOk({ status }: HttpAnswer): boolean {
  return status >= 200 && status < 300;
}

/** The body as JSON when it is JSON, else as text. */
export function valueOfAnswer(answer: HttpAnswer): Json {
  return answer.json ?? answer.text;
}

function parseRetryAfter(header: string | undefined): number | Date | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,7}$/.test(header)) return Number(header);
  const date = new Date(header);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

async function findConnection(connId: string, run: TaskRun): Promise<HostConnection> {
  const connection = (await run.host.call("getConnection", { connId })) as HostConnection | null;
  if (connection !== null) return connection;
  throw new FailFast(
    `There is no connection "${connId}". Create it on the Connections page or with "sluice connections add".`,
  );
}

async function targetOf(plan: RequestPlan, connection: HostConnection | undefined, run: TaskRun): Promise<URL> {
  const rendered = await renderText(plan.url, run);
  const base = connection === undefined ? undefined : baseOf(connection);
  let url: URL;
  try {
    url = new URL(
      base === undefined || /^https?:\/\//i.test(rendered) ? rendered : `${base}/${rendered.replace(/^\/+/, "")}`,
    );
  } catch {
    throw new FailFast(`http: url became ${describe(rendered)}, which is not a URL.`);
  }
  for (const [name, text] of Object.entries(plan.query ?? {}))
    url.searchParams.append(name, await renderText(text, run));
  return url;
}

function baseOf({ type, host, port }: HostConnection): string {
  const address = host ?? "localhost";
  const whole = /^https?:\/\//i.test(address) ? address : `${type === "https" ? "https" : "http"}://${address}`;
  return `${whole.replace(/\/+$/, "")}${port === null ? "" : `:${port}`}`;
}

async function bodyOf(plan: RequestPlan, run: TaskRun): Promise<string | undefined> {
  if (plan.body !== undefined) return renderText(plan.body, run);
  if (plan.json === undefined) return undefined;
  const value =
    typeof plan.json === "function"
      ? await plan.json({ ...run.context, inputs: run.inputs })
      : await renderJson(plan.json, run);
  return jsonText(value) ?? "null";
}

async function headersOf(plan: RequestPlan, connection: HostConnection | undefined, run: TaskRun): Promise<Headers> {
  const headers = new Headers(plan.json === undefined ? {} : { "content-type": "application/json" });
  headers.set("user-agent", "sluice");
  for (const [name, value] of Object.entries(connectionHeaders(connection))) headers.set(name, value);
  for (const [name, text] of Object.entries(plan.headers ?? {}))
    setHeader(headers, name, await renderText(text as AnyText, run));
  return headers;
}

function setHeader(headers: Headers, name: string, value: string): void {
  try {
    headers.set(name, value);
  } catch {
    throw new FailFast(
      `http: the header "${name}" has a name or value that HTTP does not allow, such as a line break.`,
    );
  }
}

function connectionHeaders(connection: HostConnection | undefined): { [name: string]: string } {
  if (connection === undefined) return {};
  const extra = parseJson(connection.extra ?? "");
  const headers: { [name: string]: string } = {};
  if (typeof extra === "object" && extra !== null && !Array.isArray(extra)) {
    for (const [name, value] of Object.entries(extra)) if (typeof value === "string") headers[name] = value;
  }
  if (connection.login !== null) {
    headers.authorization = `Basic ${Buffer.from(`${connection.login}:${connection.password ?? ""}`).toString("base64")}`;
  }
  return headers;
}

async function readBody(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      throw new FailFast(
        `http: the answer is longer than ${maxBytes} bytes. Raise maxBytes, or stream it to a file in a handler of your own.`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** Without user and query, where secrets travel. */
function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
