// @node-rs/argon2, asked a line at a time as bench/argon2id's `rate` is. "Threads" is how many hashes are under way.
import { createInterface } from "node:readline";
import { hashRaw } from "@node-rs/argon2";

const salt = Buffer.from("sixteen bytes...");

for await (const line of createInterface({ input: process.stdin })) {
  const [memoryCost, timeCost, parallelism, threads, seconds] = line.split(" ").slice(1).map(Number);
  const once = () => hashRaw("correct horse battery staple", { memoryCost, timeCost, parallelism, salt, algorithm: 2 });
  await once();
  const start = performance.now();
  const passed = () => (performance.now() - start) / 1000;
  let hashes = 0;
  const work = async () => {
    while (passed() < seconds) {
      await once();
      hashes += 1;
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
  console.log(hashes, passed());
}
