import type { Json, JsonObject } from "../core/json.ts";

/** What stands in place of a secret; sent back unchanged it means "keep what is stored". */
export const MASK = "***";

/** Names that Airflow takes for secrets, and a few more; compared without case, `-` and `_` being the same. */
const SECRET_WORDS = [
  "access_key",
  "access_token",
  "api_key",
  "apikey",
  "authorization",
  "credential",
  "keyfile_dict",
  "passphrase",
  "passwd",
  "password",
  "private_key",
  "secret",
  "service_account",
  "token",
];

/** Whether something with this name is probably a secret. */
export function isSecretName(name: string): boolean {
  const plain = name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replaceAll("-", "_")
    .toLowerCase();
  return SECRET_WORDS.some((word) => plain.includes(word));
}

/** The same JSON with the values of secret-looking keys masked, at any depth. */
export function maskJson(value: Json): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map(maskJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([key, each]) => [
      key,
      isSecretName(key) && each !== null && each !== "" ? MASK : maskJson(each),
    ]),
  );
}

/** A text under a name as people may see it: all of it masked when the name looks secret, parts of it when it is JSON. */
export function maskText(name: string, text: string): string {
  if (text === "") return "";
  if (isSecretName(name)) return MASK;
  const json = parsed(text);
  if (json === undefined || typeof json !== "object" || json === null) return text;
  const masked = JSON.stringify(maskJson(json));
  return masked === JSON.stringify(json) ? text : JSON.stringify(maskJson(json), null, 2);
}

/** What was meant by a text that was shown masked and sent back: every mask stands for what is stored. */
export function unmaskText(given: string, stored: string | null): string {
  if (given === MASK) return stored ?? "";
  if (stored === null || !given.includes(MASK)) return given;
  const [sent, old] = [parsed(given), parsed(stored)];
  return sent === undefined || old === undefined ? given : JSON.stringify(unmaskJson(sent, old));
}

/** The sent JSON with every mask replaced by the stored value at the same place. */
export function unmaskJson(sent: Json, stored: Json | undefined): Json {
  if (sent === MASK && stored !== undefined) return stored;
  if (Array.isArray(sent))
    return (sent as readonly Json[]).map((each, index) =>
      unmaskJson(each, Array.isArray(stored) ? (stored as readonly Json[])[index] : undefined),
    );
  if (typeof sent !== "object" || sent === null) return sent;
  const old = typeof stored === "object" && stored !== null && !Array.isArray(stored) ? (stored as JsonObject) : {};
  return Object.fromEntries(
    Object.entries(sent as JsonObject).map(([key, each]) => [
      key,
      unmaskJson(each, Object.hasOwn(old, key) ? old[key] : undefined),
    ]),
  );
}

function parsed(text: string): Json | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
