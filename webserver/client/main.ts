import htmx from "htmx.org";
import { changeCells } from "./cells.ts";
import { startGraph } from "./graph-view.ts";
import { startGridKeys } from "./grid-keys.ts";
import { listenToKeys } from "./keys.ts";
import { connectLive } from "./live.ts";
import { startLog } from "./log-tail.ts";
import { Refresher } from "./refresh.ts";
import { startTicking, tickTimes } from "./times.ts";

/** What the browser adds to pages that work without it: live updates, keys, moving in the graph, following logs. */
const refresher = new Refresher(() => {
  tickTimes();
  startLog();
  startGridKeys();
  htmx.process(document.body);
});

connectLive({
  changed(event) {
    changeCells(event);
    refresher.changed(event);
  },
  missed: () => refresher.request(),
});
refresher.start();
startTicking();
listenToKeys();
startGraph();
startGridKeys();
startLog();
