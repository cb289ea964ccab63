/* BullMQ on Node. */

import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { handlers, inChunks, run } from "./node_peer.mjs";

const CHUNK = 1000;

const connection = (url) => new Redis(url, { maxRetriesPerRequest: null });
let queue;

await run({
  name: "BullMQ (Node)",
  package: "bullmq",
  settings:
    "As many jobs at once as there are slots (20 drain a tenth less, 500 no more). ioredis without its automatic" +
    " pipelining, with which it drains 40% less. Finished jobs are removed. Bulk: addBulk, 1000 a call." +
    " Acknowledges after running; a job's lock is renewed.",
  lacks:
    "No counters of batches (a flow counts its children only) or cancelling of one; fair shares of tenants only in its" +
    " paid version.",

  async connect(url) {
    const defaultJobOptions = { removeOnComplete: true, removeOnFail: true };
    queue = new Queue("bench", { connection: connection(url), defaultJobOptions });
    await queue.waitUntilReady();
  },

  send: (handler, data) => queue.add(handler, data),

  bulk: (tasks, name, data) =>
    inChunks(tasks, CHUNK, (count) => queue.addBulk(Array.from({ length: count }, () => ({ name, data })))),

  work(url, kind, slots) {
    const options = { connection: connection(url), concurrency: slots };
    const worker = new Worker("bench", (job) => handlers[job.name](job.data), options);
    worker.on("error", (error) => console.error(error));
  },
});
