// What the chaos tests share: a seeded order of events, peers, and questions about slots.

import http from 'node:http';

export const SEED = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);

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

/* Whether a result r of the check c with the state s is of a slot of the schedule's grid. The very first
 * run of a new check is not: its slot is the moment at which the check was made. */
const INTERVAL = "substring(c.schedule FROM '[0-9]+')::bigint";
const ON_GRID = `round(extract(epoch FROM s.settled_to - r.slot_at) * 1000)::bigint % (${INTERVAL} * 1000) = 0`;

/**
 * Slots up to settled_to that neither have a result nor are counted by a later "missed". (After a long
 * outage only the newest have rows; a result on its way may still come for one that was counted.)
 */
export const ABSENT_SLOTS = `
  SELECT c.name, a.expected - r.stored - r.counted FROM checks c JOIN check_state s ON s.check_id = c.id
  CROSS JOIN LATERAL (SELECT min(slot_at) AS first, count(*) AS stored,
      coalesce(sum(substring(message FROM 'so ([0-9]+) slots before it')::bigint), 0) AS counted
    FROM results r WHERE r.check_id = c.id AND r.trigger = 'schedule' AND r.slot_at <= s.settled_to
      AND ${ON_GRID}) r
  CROSS JOIN LATERAL (SELECT 1 + round(extract(epoch FROM s.settled_to - r.first) / ${INTERVAL})
    AS expected) a
  WHERE c.name LIKE 'watched %' AND a.expected > r.stored + r.counted`;

/** Slots with two results, and results beside their check's grid: ticks that came twice. */
export const DOUBLED_SLOTS = `
  SELECT check_id, slot_at FROM results WHERE trigger = 'schedule'
  GROUP BY check_id, slot_at HAVING count(*) > 1
  UNION ALL
  SELECT r.check_id, r.slot_at FROM results r JOIN checks c ON c.id = r.check_id
  JOIN check_state s ON s.check_id = c.id
  WHERE r.trigger = 'schedule' AND c.name LIKE 'watched %' AND NOT (${ON_GRID})
    AND r.slot_at > (SELECT min(slot_at) FROM results f
                     WHERE f.check_id = c.id AND f.trigger = 'schedule')`;

/** Places where a check's transitions are no unbroken chain. */
export const BROKEN_TRANSITIONS = `SELECT check_id, sequence FROM (
  SELECT check_id, sequence, from_state, lag(to_state) OVER w AS before, lag(sequence) OVER w AS previous
  FROM transitions WINDOW w AS (PARTITION BY check_id ORDER BY sequence)) x
  WHERE (before IS NOT NULL AND (before <> from_state OR sequence <> previous + 1))
     OR (before IS NULL AND sequence <> 1)`;
