import { z } from "zod";

/** A position in a script, as the inspector reports it; line and column count from 0. */
export interface ScriptPosition {
  readonly url: string;
  readonly line: number;
  readonly column: number;
}

const PausedSchema = z.object({
  method: z.literal("Debugger.paused"),
  params: z.object({
    callFrames: z.array(
      z.object({ url: z.string(), location: z.object({ lineNumber: z.number(), columnNumber: z.number() }) }),
    ),
  }),
});

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
        const paused = PausedSchema.safeParse(JSON.parse(String(data)));
        if (!paused.success) return;
        const frame = paused.data.params.callFrames.find((candidate) => candidate.url === url);
        const { lineNumber: line, columnNumber: column } = frame?.location ?? {};
        resolve(line === undefined || column === undefined ? undefined : { url, line, column });
      };
    });
  } finally {
    socket.close();
  }
}
