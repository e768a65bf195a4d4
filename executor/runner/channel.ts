import type { ToHost, ToRunner } from "../protocol.ts";

/**
 * The runner's end of the IPC channel. It takes `process.send` away, so that author code does not speak in the runner's name by
 * accident; Node itself needs `process.disconnect` when the host is gone.
 */
export class HostChannel {
  readonly #send: (message: readonly ToHost[]) => void;
  readonly #outbox: ToHost[] = [];
  #isFlushPlanned = false;

  /** `onMessages` gets each batch of the host; `onGone` is called when the host has closed the channel or died. */
  constructor(onMessages: (messages: readonly ToRunner[]) => void, onGone: () => void) {
    const send = process.send?.bind(process);
    if (send === undefined) throw new Error("A runner is started by Sluice over IPC, not by hand.");
    const isConnected = () => process.connected;
    this.#send = (message) => {
      // A host that is gone needs no news; the error callback keeps EPIPE from becoming an uncaught exception.
      if (isConnected()) send(message, undefined, {}, () => {});
    };
    process.on("message", (message) => onMessages(message as readonly ToRunner[]));
    process.once("disconnect", onGone);
    Object.defineProperty(process, "send", { value: undefined, configurable: true });
  }

  /** Queues a message; all of one turn of the event loop leave together. */
  post(message: ToHost): void {
    this.#outbox.push(message);
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    setImmediate(() => this.flush());
  }

  /** Sends what is queued now, because what comes next may be the end of the process or a blocked event loop. */
  flush(): void {
    this.#isFlushPlanned = false;
    if (this.#outbox.length > 0) this.#send(this.#outbox.splice(0));
  }
}
