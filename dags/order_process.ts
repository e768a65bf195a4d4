/**
 * An order, from the charge to the pickup: charge, reserve, print a label, mail, wait until the carrier has it.
 *
 * Shows: params with a form, retries with backoff, a decision, a sensor that waits without holding a slot, side effects
 * that happen once however often a task is tried, and an undo that trigger rules start when any step has failed.
 *
 * Try it: trigger it; it ends up waiting for the carrier. Hand the parcel over by writing a file:
 *   echo '{"tracking":"PK-7"}' > .sluice/examples/orders/pickup/A-1001.json
 * Or trigger it with a quantity of 500, which the warehouse does not have: the charge is given back.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Dag, FailFast, fileSensor, getContext, Skip } from "sluice";
import { z } from "zod";
import { once, readEffect } from "./lib/effects.ts";
import { stateFolder } from "./lib/state.ts";

const dag = new Dag("order_process", {
  description: "Charge, reserve, label, mail, wait for the pickup; undo what was done when a step fails.",
  tags: ["example", "orders"],
  params: z.object({
    orderId: z
      .string()
      .regex(/^[A-Za-z0-9-]{1,40}$/)
      .default("A-1001")
      .describe("Order number; the key of every side effect"),
    customer: z.email().default("ada@example.com").describe("Who gets the mail"),
    article: z.enum(["lamp", "chair", "desk"]).default("lamp"),
    quantity: z.int().min(1).max(1000).default(2),
    express: z.boolean().default(false).describe("By courier instead of by post"),
    country: z.string().length(2).default("DE").describe("Where to; no courier goes to AQ"),
    paymentOutages: z.int().min(0).max(2).default(1).describe("So many tries find the payment provider down"),
  }),
  defaultArgs: { retry: { attempts: 4, delay: "2s", factor: 2, max: "30s" } },
  dagrunTimeout: "30d",
});

const PRICES = { lamp: 49, chair: 120, desk: 340 };
const STOCK = { lamp: 40, chair: 12, desk: 3 };

const effects = () => stateFolder("orders", "effects");
const order = () => getContext(dag).params;

type Payment = { readonly paymentId: string; readonly amount: number };

const charge = dag.task("charge", async (): Promise<Payment> => {
  const { tryNumber, log } = getContext();
  const { orderId, article, quantity, paymentOutages } = order();
  if (tryNumber <= paymentOutages) throw new Error("The payment provider answered 503 Service Unavailable.");
  if (readEffect(effects(), `refund:${orderId}`) !== undefined) {
    throw new FailFast(`Order ${orderId} was undone and its money given back. Order again under a new number.`);
  }
  const amount = PRICES[article] * quantity;
  const payment = await once(effects(), `charge:${orderId}`, () => ({ paymentId: `pay-${orderId}`, amount }));
  log.info(`charged ${payment.amount} €`, payment);
  return payment;
});

const reserve = dag.task("reserve", async ({ payment }: { payment: Payment }): Promise<number> => {
  const { orderId, article, quantity } = order();
  if (quantity > STOCK[article]) {
    throw new FailFast(
      `Only ${STOCK[article]} of ${article} are left, ${quantity} were ordered and paid (${payment.paymentId}).`,
    );
  }
  return once(effects(), `reserve:${orderId}`, () => quantity);
});

const postLabel = dag.task("post_label", async (): Promise<string> => {
  const { orderId } = order();
  return once(effects(), `label:${orderId}`, () => `POST-${orderId}`);
});

const courierLabel = dag.task("courier_label", async (): Promise<string> => {
  const { orderId, country } = order();
  if (country === "AQ") throw new FailFast("No courier goes to Antarctica.");
  return once(effects(), `label:${orderId}`, () => `COURIER-${orderId}`);
});

interface Labels {
  /** One of the two was skipped, and left nothing. */
  readonly post?: string;
  readonly courier?: string;
}

const mail = dag.task(
  "mail",
  async ({ post, courier }: Labels) => {
    const { orderId, customer } = order();
    await once(effects(), `mail:${orderId}`, () => ({
      to: customer,
      subject: `Your order ${orderId} is on its way`,
      label: post ?? courier ?? "",
    }));
  },
  // Runs when one of the labels was printed, and the other one skipped.
  { triggerRule: "none_failed_min_one_success" },
);

const waitForPickup = dag.task(
  "wait_for_pickup",
  fileSensor({
    path: ({ params }) => join(stateFolder("orders", "pickup"), `${params.orderId}.json`),
    nonEmpty: true,
    every: "2s",
    timeout: "14d",
    backoff: 1.2,
  }),
);

const close = dag.task(
  "close",
  async ({ receipt }: { receipt: string }) => {
    const { tracking } = z.object({ tracking: z.string() }).parse(JSON.parse(readFileSync(receipt, "utf8")));
    getContext().log.info("the carrier has it", { tracking });
    return { orderId: order().orderId, tracking };
  },
  { returnsDagResult: true },
);

const payment = charge();
const reserved = reserve({ payment });
const express = dag.if(async () => order().express, {}, { taskId: "is_express" }).after(reserved);
const post = postLabel();
const courier = courierLabel();
express.then(courier).else(post);
const mailed = mail({ post, courier });
const receipt = waitForPickup().after(mailed);
close({ receipt });

// The way back. Each undo looks at what was really done, and is itself done once.
const undo = dag.taskGroup("undo", {
  tooltip: "Only when a step has failed",
  defaultArgs: { triggerRule: "one_failed" },
});

undo
  .task("release_stock", async () => {
    const { orderId } = order();
    const quantity = readEffect<number>(effects(), `reserve:${orderId}`);
    if (quantity === undefined) throw new Skip("Nothing had been reserved.");
    return once(effects(), `release:${orderId}`, () => quantity);
  })()
  .after(reserved, post, courier, mailed, receipt);

undo
  .task("refund", async () => {
    const { orderId } = order();
    const paid = readEffect<Payment>(effects(), `charge:${orderId}`);
    if (paid === undefined) throw new Skip("Nothing had been charged.");
    return once(effects(), `refund:${orderId}`, () => paid);
  })()
  .after(payment, reserved, post, courier, mailed, receipt);
