/*
 * What the adapters of libraries on Node have in common: the commands of asyncio_peer.py, and timing.
 *
 * An adapter gives run() an object with name, package, settings and lacks, connect(url), send(handler, data),
 * bulk(tasks, handler, data) and work(url, kind, slots). Data are objects: { text }, { ms } or { sent }.
 */

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { hit, now } from "./recorder.mjs";

export const handlers = {
  noop: async () => hit(),
  nap: async ({ ms }) => {
    hit();
    await sleep(ms);
  },
  stamp: async ({ sent }) => hit(BigInt(sent)),
};

export async function inChunks(tasks, size, call) {
  for (let at = 0; at < tasks; at += size) await call(Math.min(size, tasks - at));
}

/** Do what the command line asks for. */
export async function run(peer) {
  const [command, url, ...given] = process.argv.slice(2);
  if (command === "work") {
    process.on("SIGTERM", () => process.exit(0));
    await peer.work(url, given[0], Number(given[1]));
    return;
  }
  if (command === "about") {
    const { name, settings, lacks } = peer;
    console.log(JSON.stringify({ name, version: versionOf(peer.package), settings, lacks }));
  } else {
    await peer.connect(url);
    await commands[command](peer, ...given.map(Number));
  }
  process.exit(0);
}

const commands = {
  bulk: (peer, tasks, bytes) => timed(() => peer.bulk(tasks, "noop", { text: "x".repeat(bytes) })),
  single: (peer, tasks) => timed(() => oneByOne(tasks, () => peer.send("noop", { text: "x".repeat(10) }))),
  naps: (peer, tasks, ms) => peer.bulk(tasks, "nap", { ms }),
  stamps: (peer, tasks, gap) =>
    oneByOne(tasks, async () => {
      await peer.send("stamp", { sent: now().toString() });
      await sleep(gap);
    }),
};

async function oneByOne(tasks, call) {
  for (let task = 0; task < tasks; task += 1) await call();
}

async function timed(call) {
  const began = performance.now();
  await call();
  console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000 }));
}

function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8")).version;
}
