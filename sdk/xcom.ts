import type { Json } from "../core/json.ts";
import { XComValueError } from "./errors.ts";
import type { RuntimeHost } from "./host.ts";
import { JsonValueProblem, jsonText } from "./json-value.ts";

const XCOM_MAX_BYTES = 1024 * 1024;

/**
 * What a task leaves as XCom, as JSON text; undefined for undefined.
 * @throws XComValueError naming the task, and what is wrong with its value or how large it is.
 */
export function xcomText(value: unknown, taskId: string, host: Pick<RuntimeHost, "xcomMaxBytes">): string | undefined {
  const text = textOf(value, taskId);
  const most = xcomMaxBytes(host);
  const bytes = text === undefined ? 0 : Buffer.byteLength(text);
  if (bytes > most) {
    throw new XComValueError(
      `The XCom of task "${taskId}" is too large: ${count(bytes)} bytes of JSON, the limit is ${count(most)}. Write the data to a file or a table and pass on where it is.`,
    );
  }
  return text;
}

/** The value as it will be read back. @throws XComValueError as `xcomText`. */
export function xcomJson(value: unknown, taskId: string, host: Pick<RuntimeHost, "xcomMaxBytes">): Json {
  const text = xcomText(value, taskId, host);
  return text === undefined ? null : (JSON.parse(text) as Json);
}

function textOf(value: unknown, taskId: string): string | undefined {
  try {
    return jsonText(value);
  } catch (error) {
    if (!(error instanceof JsonValueProblem)) throw error;
    const where = error.path === "$" ? "it" : error.path;
    throw new XComValueError(`The XCom of task "${taskId}" cannot be stored: ${where} ${error.message}.`, error.path);
  }
}

/** The host's limit, `SLUICE_XCOM_MAX_BYTES`, or 1 MiB. */
function xcomMaxBytes({ xcomMaxBytes }: Pick<RuntimeHost, "xcomMaxBytes">): number {
  const configured = xcomMaxBytes ?? Number(process.env.SLUICE_XCOM_MAX_BYTES);
  return Number.isFinite(configured) && configured > 0 ? configured : XCOM_MAX_BYTES;
}

function count(bytes: number): string {
  return bytes.toLocaleString("en-US");
}
