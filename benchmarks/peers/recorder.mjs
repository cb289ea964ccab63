/*
 * What the handlers of a peer on Node leave behind: the file format and the clock of recorder.py.
 *
 * A handler calls hit(), or hit(sent) where sent is the now() of just before the task was enqueued. Calls are counted in
 * memory and written at most every 2 ms, so that a task does not cost a system call; an idle worker sets no timer.
 * process.hrtime.bigint() reads the monotonic clock that Python's time.monotonic_ns() reads.
 */

import { openSync, writeSync } from "node:fs";
import { join } from "node:path";

const HEADER = 3; // 64 bit words: how many calls; when the first one began; when the last one began
const WAITS = 4096; // waits that a file has room for; later ones are only counted
const EVERY = 2; // ms

const words = new BigInt64Array(HEADER + WAITS);
let calls = 0;
let first = 0n;
let last = 0n;
let written = 0;
let file;
let timer;

export const now = process.hrtime.bigint;

/** A handler has begun. */
export function hit(sent) {
  last = now();
  if (calls === 0) start();
  if (sent !== undefined && calls < WAITS) words[HEADER + calls] = last - sent;
  calls += 1;
  timer ??= setTimeout(write, EVERY);
}

function start() {
  first = last;
  file = openSync(join(process.env.HITS, `${process.pid}`), "w");
  writeSync(file, words, 0, words.byteLength, 0);
  process.on("exit", write);
}

function write() {
  timer = undefined;
  const [from, to] = [HEADER + Math.min(written, WAITS), HEADER + Math.min(calls, WAITS)].map((word) => word * 8);
  if (to > from) writeSync(file, words, from, to - from, from);
  words.set([BigInt(calls), first, last]);
  writeSync(file, words, 0, HEADER * 8, 0);
  written = calls;
}
