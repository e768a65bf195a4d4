import htmx from "htmx.org";
import { changeCells } from "./cells.ts";
import { startGraph } from "./graph-view.ts";
import { listenToKeys } from "./keys.ts";
import { connectLive } from "./live.ts";
import { startLog } from "./log-tail.ts";
import { Refresher } from "./refresh.ts";
import { startTicking, tickTimes } from "./times.ts";

/** What the browser adds to pages that work without it: live updates, keys, moving in the graph, following logs. */
const refresher = new Refresher(() => {
  tickTimes();
  startLog();
  htmx.process(document.body);
});

connectLive({
  changed(event) {
    changeCells(event);
    refresher.changed(event);
  },
  missed: () => refresher.request(),
});
startTicking();
listenToKeys();
startGraph();
startLog();
