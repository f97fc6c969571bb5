// What the chaos tests share: a seeded order of events, peers, and questions about slots.

import http from 'node:http';

export const SEED = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);

/** How many of the kills that were asked for (of all chaos programs together) a program has to do. */
export const kills = (share, short) =>
  (process.env.CHAOS_KILLS ? Math.ceil(Number(process.env.CHAOS_KILLS) * share) : short);

/** Small seeded generator (mulberry32): the order of kills and flips is the seed's. */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
export const draw = random(SEED);
export const between = (low, high) => low + Math.floor(draw() * (high - low + 1));
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function listen(handler) {
  const server = http.createServer(handler);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}

/** Runs the step again and again until stopped; the load must never end by an exception. */
export function loop(step) {
  let go = true;
  const done = (async () => {
    while (go) await step().catch(() => pause(20));
  })();
  return async () => {
    go = false;
    await done;
  };
}

/* What is asked of the watched checks: their interval, their first and newest result of the schedule. */
const INTERVAL = "substring(c.schedule FROM '[0-9]+')::bigint";
const WATCHED = `checks c CROSS JOIN LATERAL (SELECT min(slot_at) AS first, max(slot_at) AS newest
  FROM results WHERE check_id = c.id AND trigger = 'schedule') w`;
/* Whether a result is of a slot of the schedule's grid. The very first run of a new check is not: its slot
 * is the moment at which the check was made. */
const ON_GRID = `round(extract(epoch FROM w.newest - r.slot_at) * 1000)::bigint % (${INTERVAL} * 1000) = 0`;

/** Slots between the first and the newest one that have no result. */
export const ABSENT_SLOTS = `
  SELECT c.name, a.expected - a.stored FROM ${WATCHED} CROSS JOIN LATERAL (
    SELECT count(DISTINCT r.slot_at) AS stored,
      1 + round(extract(epoch FROM w.newest - min(r.slot_at)) / ${INTERVAL}) AS expected
    FROM results r WHERE r.check_id = c.id AND r.trigger = 'schedule' AND ${ON_GRID}) a
  WHERE c.name LIKE 'watched %' AND a.expected > a.stored`;

/** Watched checks that have no result after a moment, or are not up. */
export const unsettled = (since) => `
  SELECT c.name FROM ${WATCHED} JOIN check_state s ON s.check_id = c.id
  WHERE c.name LIKE 'watched %' AND (w.newest IS NULL OR w.newest < '${since}' OR s.state <> 'up')`;

/** Slots with two results, and results beside their check's grid: ticks that came twice. */
export const DOUBLED_SLOTS = `
  SELECT check_id, slot_at FROM results WHERE trigger = 'schedule'
  GROUP BY check_id, slot_at HAVING count(*) > 1
  UNION ALL
  SELECT c.id, r.slot_at FROM ${WATCHED} JOIN results r ON r.check_id = c.id AND r.trigger = 'schedule'
  WHERE c.name LIKE 'watched %' AND r.slot_at > w.first AND NOT (${ON_GRID})`;

/** Slots that were given up. */
export const MISSED_SLOTS = `
  SELECT c.name, c.schedule, r.slot_at, r.message FROM results r JOIN checks c ON c.id = r.check_id
  WHERE r.status = 'missed' AND c.name LIKE 'watched %' ORDER BY r.slot_at`;

/** Places where a check's transitions are no unbroken chain. */
export const BROKEN_TRANSITIONS = `SELECT check_id, sequence FROM (
  SELECT check_id, sequence, from_state, lag(to_state) OVER w AS before, lag(sequence) OVER w AS previous
  FROM transitions WINDOW w AS (PARTITION BY check_id ORDER BY sequence)) x
  WHERE (before IS NOT NULL AND (before <> from_state OR sequence <> previous + 1))
     OR (before IS NULL AND sequence <> 1)`;
