import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";

/** An answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
}

/** Sends requests whose paths no client library puts in order first. */
export class RawClient {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });
  readonly #url: URL;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string, headers: Readonly<Record<string, string>>) {
    this.#url = new URL(url);
    this.#headers = headers;
  }

  /** `path` goes out as it is; a body is sent as JSON unless `headers` says otherwise. */
  send(
    method: string,
    path: string,
    body?: string | Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#url;
      const sent = request({
        hostname,
        port,
        method,
        path,
        agent: this.#agent,
        headers: {
          accept: "application/json",
          ...this.#headers,
          ...(body === undefined
            ? {}
            : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) }),
          ...headers,
        },
      });
      sent.once("error", reject);
      sent.once("response", (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.once("error", reject);
        answer.once("end", () =>
          resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString(), headers: answer.headers }),
        );
      });
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Writes bytes to the server and gives what it answers until it closes or has answered with `until`. */
export function wire(url: string, bytes: string, until = /\r\n\r\n/): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no answer to ${bytes.slice(0, 80)}`)));
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (until.test(text)) socket.destroy();
    });
    socket.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "ECONNRESET" || error.code === "EPIPE" ? resolve(text) : reject(error),
    );
    socket.once("close", () => resolve(text));
  });
}
