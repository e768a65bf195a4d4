import { isTerminal, TASK_STATES, taskStateCode } from "../states.ts";

/** States as the bytes of `RunMemory.state`. */
export const NONE = taskStateCode("none");
export const SCHEDULED = taskStateCode("scheduled");
export const QUEUED = taskStateCode("queued");
export const RUNNING = taskStateCode("running");
export const SUCCESS = taskStateCode("success");
export const FAILED = taskStateCode("failed");
export const UP_FOR_RETRY = taskStateCode("up_for_retry");
export const UP_FOR_RESCHEDULE = taskStateCode("up_for_reschedule");
export const UPSTREAM_FAILED = taskStateCode("upstream_failed");
export const SKIPPED = taskStateCode("skipped");
export const REMOVED = taskStateCode("removed");
export const RESTARTING = taskStateCode("restarting");

/** 1 for the codes of terminal states. */
export const IS_TERMINAL = Uint8Array.from(TASK_STATES, (state) => (isTerminal(state) ? 1 : 0));

/** Where each terminal state is counted in `RunMemory.tally`, by code; 0 is the total. */
export const TALLY_SLOT = new Uint8Array(TASK_STATES.length);
TALLY_SLOT[SUCCESS] = 1;
TALLY_SLOT[FAILED] = 2;
TALLY_SLOT[UPSTREAM_FAILED] = 3;
TALLY_SLOT[SKIPPED] = 4;
TALLY_SLOT[REMOVED] = 5;

/** Numbers per task in `RunMemory.tally`: total, success, failed, upstream_failed, skipped, removed. */
export const TALLY_SIZE = 6;
