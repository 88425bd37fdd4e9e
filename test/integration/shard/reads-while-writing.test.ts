import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  durationsOf,
  findPercentiles,
  narrowPercentile,
  type PercentileStep,
  pickPercentile,
} from '../../../src/query/merge/percentile.ts';
import type { DurationBucket, DurationValue, ShardReadRequest } from '../../../src/shared/read/contract.ts';
import { sortedIndex } from '../../support/durations.ts';
import { tracesOf } from '../../support/otlp-samples.ts';
import { startTestShard, type TestShard } from '../../support/test-shard.ts';

let shard: TestShard;
let isStopped = false;
let writing: Promise<void>;
beforeAll(async () => {
  shard = await startTestShard();
  for (let batch = 0; batch < 5; batch++) await write(batch);
  writing = (async () => {
    for (let batch = 5; !isStopped; batch++) await write(batch);
  })();
});
afterAll(async () => {
  isStopped = true;
  await writing;
  await shard.remove();
});

const BATCH_SPANS = 40;

/** Spans among those that are there, in time and in duration, and some of them again. */
async function write(batch: number): Promise<void> {
  const spans = Array.from({ length: BATCH_SPANS }, (_, index) => {
    const number = index % 10 === 0 ? index : batch * BATCH_SPANS + index;
    return {
      trace: number % 97,
      span: number + 1,
      start: 1000 + ((number * 7919) % 1009),
      durationNs: (number * 104_729) % 1_000_003,
    };
  });
  const { status } = await shard.send('traces', tracesOf('shop', spans));
  expect(status).toBe(200);
}

async function lastCommit(): Promise<number> {
  return Number((await shard.read('holdings', {})).trailer.asOf);
}

/** Every round waits for another commit first. */
async function afterCommit(asOf: string, read: () => Promise<void>): Promise<void> {
  const before = await lastCommit();
  await expect.poll(lastCommit).toBeGreaterThan(before);
  expect(before).toBeGreaterThanOrEqual(Number(asOf));
  await read();
}

describe('while spans are written', () => {
  it('pages of one snapshot are together what it showed', async () => {
    const whole = await shard.read('spans', { limit: 100_000 });
    const { asOf } = whole.trailer;
    const keys: (readonly string[])[] = [];
    const pageOf = (startAt: readonly string[] | undefined): ShardReadRequest<'spans'> => ({
      asOf,
      limit: 30,
      ...(startAt !== undefined && { startAt: startAt as [string, string, string] }),
    });
    for (let isDone = false; !isDone; ) {
      await afterCommit(asOf, async () => {
        const page = await shard.read('spans', pageOf(keys.at(-1)));
        // A span is there once, so only one row can have the key that the page starts at.
        keys.push(...page.keys.slice(keys.length === 0 ? 0 : 1));
        isDone = page.keys.length < 30;
      });
    }
    expect(keys).toEqual(whole.keys);
  });

  it.each([0, 0.5, 0.95, 1])('the percentile %d of one snapshot is that of what it showed', async p => {
    const every = { minNs: '0', maxNs: '2000000' };
    const whole = await shard.read('durationValues', { ranges: [every] });
    const { asOf } = whole.trailer;
    const durations = (whole.rows as unknown as DurationValue[]).flatMap(({ value_ns, count }) =>
      Array<bigint>(count).fill(BigInt(value_ns)),
    );
    const buckets = await shard.read('durationBuckets', { asOf, scale: 0 });
    const durationsIn = (rows: readonly unknown[]) =>
      (rows as (DurationBucket | DurationValue)[]).map(durationsOf);
    let step = findPercentiles(durationsIn(buckets.rows), [p], 3)[0] as PercentileStep;
    while (step.kind === 'narrow' || step.kind === 'list') {
      const { kind, range } = step;
      const ranges = [{ minNs: String(range.minNs), maxNs: String(range.maxNs) }];
      await afterCommit(asOf, async () => {
        if (kind === 'narrow') {
          const { rows } = await shard.read('durationBuckets', { asOf, ranges, parts: 4 });
          step = narrowPercentile(range, durationsIn(rows), 3);
        } else {
          const { rows } = await shard.read('durationValues', { asOf, ranges });
          const valueNs = pickPercentile(range, durationsIn(rows));
          step = { kind: 'found', valueNs };
        }
      });
    }
    expect(step).toEqual({ kind: 'found', valueNs: sortedIndex(durations, p) });
  });
});
