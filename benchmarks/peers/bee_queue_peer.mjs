/* Bee-Queue on Node. Its jobs have no names: there is a queue for each handler. */

import Queue from "bee-queue";
import { handlers, inChunks, run } from "./node_peer.mjs";

const CHUNK = 1000;
const AT_ONCE = 500;

const HANDLER = { noop: "noop", naps: "nap", stamps: "stamp" };
const queues = {};

function open(url, handler, isWorker) {
  const quiet = { getEvents: false, sendEvents: false, storeJobs: false };
  const forget = { removeOnSuccess: true, removeOnFailure: true };
  return new Queue(handler, { redis: { url }, isWorker, ...quiet, ...forget }).ready();
}

await run({
  name: "Bee-Queue (Node)",
  package: "bee-queue",
  settings:
    "500 jobs at once where they don't wait (100 drain a tenth less), as many as there are slots for those that sleep." +
    " No events, no jobs kept by the process, finished jobs removed. Bulk: saveAll, 1000 a call (5000 are slower)." +
    " Acknowledges after running.",
  lacks:
    "Jobs of a killed worker come back only where a program calls its check for stalled jobs; no counters of batches," +
    " fair shares of tenants, priorities, or cancelling of what runs.",

  async connect(url) {
    for (const handler of Object.values(HANDLER)) queues[handler] = await open(url, handler, false);
  },

  send: (handler, data) => queues[handler].createJob(data).save(),

  bulk: (tasks, handler, data) =>
    inChunks(tasks, CHUNK, async (count) => {
      const jobs = Array.from({ length: count }, () => queues[handler].createJob(data));
      for (const error of (await queues[handler].saveAll(jobs)).values()) throw error;
    }),

  async work(url, kind, slots) {
    const queue = await open(url, HANDLER[kind], true);
    queue.on("error", (error) => console.error(error));
    queue.process(kind === "naps" ? slots : AT_ONCE, (job) => handlers[HANDLER[kind]](job.data));
  },
});
