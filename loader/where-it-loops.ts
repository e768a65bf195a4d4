import { z } from "zod";

/** A position in a script, as the inspector reports it; line and column count from 0. */
export interface ScriptPosition {
  readonly line: number;
  readonly column: number;
}

const EventSchema = z.discriminatedUnion("method", [
  z.object({
    method: z.literal("Debugger.scriptParsed"),
    params: z.object({ scriptId: z.string(), url: z.string() }),
  }),
  z.object({
    method: z.literal("Debugger.paused"),
    params: z.object({
      callFrames: z.array(
        z.object({
          location: z.object({ scriptId: z.string(), lineNumber: z.number(), columnNumber: z.number() }),
        }),
      ),
    }),
  }),
]);

/**
 * Asks the inspector of a process that does not come to an end where it is: it is paused wherever it runs, and the
 * innermost frame of the script `url` is given. Undefined when it runs nothing of it (it waits), or takes too long.
 */
export async function whereItLoops(
  inspectorUrl: string,
  url: string,
  waitMs: number,
): Promise<ScriptPosition | undefined> {
  const socket = new WebSocket(inspectorUrl);
  const scripts = new Set<string>();
  try {
    return await new Promise((resolve) => {
      setTimeout(resolve, waitMs, undefined).unref();
      socket.onerror = () => resolve(undefined);
      socket.onclose = () => resolve(undefined);
      socket.onopen = () => {
        socket.send('{"id":1,"method":"Debugger.enable"}');
        socket.send('{"id":2,"method":"Debugger.pause"}');
      };
      socket.onmessage = ({ data }) => {
        const event = EventSchema.safeParse(JSON.parse(String(data))).data;
        if (event?.method === "Debugger.scriptParsed" && event.params.url === url) scripts.add(event.params.scriptId);
        if (event?.method !== "Debugger.paused") return;
        const frame = event.params.callFrames.find(({ location }) => scripts.has(location.scriptId));
        resolve(frame && { line: frame.location.lineNumber, column: frame.location.columnNumber });
      };
    });
  } finally {
    socket.close();
  }
}
