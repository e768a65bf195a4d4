import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { SluiceError } from "../core/errors.ts";

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const PREFIX = "v1:";

/**
 * Encrypts single values with AES-256-GCM. `table` and `id` are authenticated with the text, so that a stored value
 * cannot be moved to another row.
 */
export class Secrets {
  readonly #key: Uint8Array;

  /** `key`: 32 bytes; anything else is refused with code `invalid_secret_key`. */
  constructor(key: Uint8Array) {
    if (key.byteLength !== KEY_BYTES)
      throw new SluiceError(
        "invalid_secret_key",
        `The secret key has ${key.byteLength} bytes and must have ${KEY_BYTES}. Set SLUICE_SECRET_KEY to 32 random bytes in base64.`,
      );
    this.#key = key;
  }

  /** The stored form of a text; different at every call. */
  seal(text: string, table: string, id: string): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#key, iv).setAAD(bind(table, id));
    const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
    return PREFIX + Buffer.concat([iv, cipher.getAuthTag(), body]).toString("base64");
  }

  /** The text again. Rejects with code `secret_unreadable` when the key is another one or the stored form was altered. */
  open(sealed: string, table: string, id: string): string {
    const bytes = Buffer.from(sealed.slice(PREFIX.length), "base64");
    if (!sealed.startsWith(PREFIX) || bytes.length < IV_BYTES + TAG_BYTES) throw unreadable(table, id);
    try {
      const decipher = createDecipheriv("aes-256-gcm", this.#key, bytes.subarray(0, IV_BYTES))
        .setAAD(bind(table, id))
        .setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      const body = bytes.subarray(IV_BYTES + TAG_BYTES);
      return decipher.update(body, undefined, "utf8") + decipher.final("utf8");
    } catch (error) {
      throw unreadable(table, id, error);
    }
  }
}

/** The separator cannot occur in a table's name. */
function bind(table: string, id: string): Buffer {
  return Buffer.from(`${table}\0${id}`, "utf8");
}

function unreadable(table: string, id: string, cause?: unknown): SluiceError {
  return new SluiceError(
    "secret_unreadable",
    `The secret of ${table} "${id}" cannot be read: it was stored with another secret key, or its row was altered. ` +
      "Start with the key it was stored with (SLUICE_SECRET_KEY or the key file of the state folder), or set the value again.",
    { cause },
  );
}
