// BullMQ's side of bench/queue.
//
//     node bullmq_peer.mjs enqueue URL JOBS [RATE]   addBulk, 500 at a time
//     node bullmq_peer.mjs work URL                  one worker, concurrency 200

import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';

const [role, url, jobs, rate = '0'] = process.argv.slice(2);
const connection = new Redis(url, { maxRetriesPerRequest: null });
const now = () => performance.timeOrigin + performance.now();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function enqueue(total, perSecond) {
  const queue = new Queue('bench', { connection });
  await queue.waitUntilReady();
  const opts = { removeOnComplete: true, removeOnFail: 1000, attempts: 3 };
  const began = now();
  let sent = 0;
  while (sent < total) {
    const due = perSecond ? Math.min(total, Math.floor(((now() - began) * perSecond) / 1000)) : total;
    const count = Math.min(due - sent, 500);
    if (count > 0) {
      const data = perSecond ? { at: now() } : {};
      await queue.addBulk(Array.from({ length: count }, () => ({ name: 'noop', data, opts })));
    } else {
      await pause(1);
    }
    sent += Math.max(count, 0);
  }
  console.log(JSON.stringify({ began: began / 1000, ended: now() / 1000, jobs: total }));
  await queue.close();
  connection.disconnect();
}

function work() {
  const latency = [];
  const handler = async (job) => {
    if (job.data.at) latency.push(now() - job.data.at);
  };
  const worker = new Worker('bench', handler, { connection, concurrency: 200 });
  worker.on('error', (error) => console.error(error.message));
  process.on('SIGTERM', async () => {
    await worker.close();
    if (latency.length > 0) {
      latency.sort((a, b) => a - b);
      const at = (q) => Math.round(latency[Math.floor(latency.length * q)] * 1000);
      console.log(`LATENCY ${JSON.stringify({ count: latency.length, p50_us: at(0.5), p99_us: at(0.99) })}`);
    }
    connection.disconnect();
  });
}

if (role === 'enqueue') await enqueue(Number(jobs), Number(rate));
else work();
