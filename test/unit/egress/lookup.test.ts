import { setMaxListeners } from "node:events";

import test from "ava";

import { outsideLookup, resolveOutside } from "../../../src/egress/lookup.js";

const never = new AbortController().signal;
// Of a run's signal every connection takes one listener, which node would take for a leak.
setMaxListeners(0, never);

test("connections to one name at a time share one look-up, and its answer for a while", async (t) => {
  const asked: string[] = [];
  const resolve = outsideLookup({
    keepMs: 50,
    lookup: (name) => {
      asked.push(name);
      return Promise.resolve(["8.8.8.8", "8.8.8.8", "2606:4700::1"]);
    },
  });
  const all = await Promise.all(Array.from({ length: 200 }, () => resolve("a.example", never)));
  t.deepEqual(all[199], ["8.8.8.8", "2606:4700::1"]);
  t.deepEqual(asked, ["a.example"]);
  await resolve("b.example", never);
  t.is(asked.length, 2);
  await new Promise((done) => setTimeout(done, 150));
  await resolve("a.example", never);
  t.is(asked.length, 3);
});

test("a failure is the caller's, and is not kept", async (t) => {
  let calls = 0;
  const resolve = outsideLookup({
    lookup: (name) => {
      calls += 1;
      return calls === 1 ? Promise.reject(new Error(`ENOTFOUND ${name}`)) : Promise.resolve(["8.8.8.8"]);
    },
  });
  await t.throwsAsync(resolve("a.example", never), { message: "ENOTFOUND a.example" });
  t.deepEqual(await resolve("a.example", never), ["8.8.8.8"]);
});

test("nobody waits longer than the time limit, or after an abort", async (t) => {
  const resolve = outsideLookup({ timeoutMs: 30, lookup: () => new Promise(() => undefined) });
  await t.throwsAsync(resolve("slow.example", never), {
    message: /no answer for slow\.example within 30 ms/,
  });
  const stop = new AbortController();
  const waiting = resolve("slow.example", stop.signal);
  stop.abort(new Error("the run ended"));
  await t.throwsAsync(waiting, { message: "the run ended" });
  await t.throwsAsync(resolve("slow.example", stop.signal), { message: "the run ended" });
});

test("the host's own resolver, /etc/hosts included", async (t) => {
  const addresses = await resolveOutside("localhost", never);
  t.true(addresses.includes("127.0.0.1") || addresses.includes("::1"));
});
