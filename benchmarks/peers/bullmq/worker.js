// BullMQ's worker with a no-op job and 100 jobs at once.
import { openSync, writeSync } from "node:fs";
import { Worker } from "bullmq";

const file = openSync(process.env.BENCH_HANDLED, "a", 0o600);

const worker = new Worker(
  "events",
  async (job) => {
    const { user, system } = process.cpuUsage();
    writeSync(file, `${job.data.id} ${process.hrtime.bigint()} ${(user + system) * 1000}\n`);
  },
  { connection: { url: process.env.REDIS_URL }, concurrency: Number(process.env.BENCH_CONCURRENCY) },
);
process.on("SIGTERM", async () => {
  await worker.close();
  process.exit(0);
});
