import type { Dice } from './dice.ts';

/** What the data and the questions are made of; both draw from it, so that most questions find something. */

/** Some differ in UTF-8 from what UTF-16 says, some would be wildcards, separators or markup elsewhere. */
export const SERVICES = [
  'checkout',
  'cart',
  'payments',
  'search',
  'a"quoted\\one',
  'shop/front?x=1&y=2',
  '100%_sure',
  '\uffee',
  '😀',
  'tael-eval-runner',
  '',
];
export const OPERATIONS = ['GET /', 'POST /pay', 'SELECT', 'send', 'a_b%c', 'チェックアウト', ''];
export const ATTRIBUTES: readonly (readonly [string, readonly unknown[]])[] = [
  ['http.route', ['/', '/pay', '/a=b']],
  ['http.response.status_code', [200, 404, 502]],
  ['retry', [true, false]],
  ['ratio', [0.1, 1e21, 1e-7, -0]],
  ['tags', [['x', 'y'], { deep: 1 }]],
];
export const WORDS = ['declined', 'card', 'timeout', 'shard', 'Größe', 'queue', 'retry', 'over'];
export const METRICS = ['queue.depth', 'requests', 'http.server.duration', 'tael_eval_score', 'cpu'];
export const RUNS = ['run-1', 'run-2', 'run-3'];
export const CASES = ['case-a', 'case-b', 'case-c', 'case-d'];
export const SCORES = ['pass', 'correctness', 'cost_usd', 'tone'];
export const LABELS = ['pass', 'fail', 'ok'];

/** Noon, so that no window crosses a day. */
export const NOW_MS = Date.UTC(2026, 5, 15, 12);
const NANOS_PER_MS = 1_000_000n;
const HOUR_MS = 3_600_000;

/** Mostly in the last two hours, often the same moment for several records; some in the future, some long ago. */
export function someTimeNs(dice: Dice): bigint {
  if (dice.chance(0.02)) return BigInt(NOW_MS + HOUR_MS) * NANOS_PER_MS;
  if (dice.chance(0.05)) return BigInt(NOW_MS - 400 * HOUR_MS) * NANOS_PER_MS;
  const ms = NOW_MS - dice.below(2 * HOUR_MS);
  if (dice.chance(0.5)) return BigInt(ms - (ms % 60_000)) * NANOS_PER_MS;
  return BigInt(ms) * NANOS_PER_MS + BigInt(dice.below(1_000_000));
}

export function someWords(dice: Dice, count: number): string {
  return Array.from({ length: count }, () => dice.pick(WORDS)).join(' ');
}
