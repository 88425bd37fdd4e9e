import type { RowPart } from '../../src/query/merge/row-part.ts';
import type { ShardQuery } from '../../src/query/reads/read.ts';
import type { DurationBucket, DurationValue } from '../../src/shared/read/contract.ts';
import { sortedIndex } from './durations.ts';
import { partOf } from './rounds.ts';

export interface Duration {
  readonly service: string;
  readonly durationNs: bigint;
  /** How often it occurs. */
  readonly times: number;
}

/** A shard that answers for durations which it holds in memory. */
export function durationShard(
  shardId: string,
  durations: readonly Duration[],
): (query: ShardQuery) => RowPart {
  return ({ name, request }) => {
    if (name === 'durationValues') {
      return statesPart(
        shardId,
        request.ranges.flatMap((range, index) => valuesIn(within(durations, range), index)),
      );
    }
    if (name !== 'durationBuckets') throw new Error(`this shard has no ${name}`);
    const { ranges, services, byService = false, scale = 3, parts = 256 } = request;
    if (ranges !== undefined) {
      const states = ranges.flatMap((range, index) => {
        const width = (BigInt(range.maxNs) - BigInt(range.minNs)) / BigInt(parts) + 1n;
        const partAt = ({ durationNs }: Duration) => String((durationNs - BigInt(range.minNs)) / width);
        return buckets(within(durations, range), partAt, { range: index });
      });
      return statesPart(shardId, states);
    }
    const asked = durations.filter(({ service }) => services?.includes(service) ?? true);
    const groups = byService
      ? [...Map.groupBy(asked, ({ service }) => service)]
      : [[undefined, asked] as const];
    return statesPart(
      shardId,
      groups.flatMap(([service, held]) =>
        buckets(
          held,
          ({ durationNs }) => logBucket(durationNs, scale),
          service === undefined ? {} : { service },
        ),
      ),
    );
  };
}

interface Range {
  readonly service?: string | undefined;
  readonly minNs: string;
  readonly maxNs: string;
}

function within(durations: readonly Duration[], { service, minNs, maxNs }: Range): Duration[] {
  return durations.filter(
    each =>
      (service === undefined || each.service === service) &&
      each.durationNs >= BigInt(minNs) &&
      each.durationNs <= BigInt(maxNs),
  );
}

function logBucket(duration: bigint, scale: number): string {
  const value = Number(duration);
  return value === 0 ? '0' : `${Math.sign(value)} ${Math.floor(Math.log2(Math.abs(value)) * 2 ** scale)}`;
}

function buckets(
  durations: readonly Duration[],
  bucketOf: (duration: Duration) => string,
  tags: Pick<DurationBucket, 'service' | 'range'>,
): DurationBucket[] {
  const held = durations.filter(({ times }) => times > 0);
  return [...Map.groupBy(held, bucketOf).values()].map(members => {
    const values = members.map(({ durationNs }) => durationNs);
    const count = members.reduce((sum, { times }) => sum + times, 0);
    return { ...tags, count, min_ns: String(sortedIndex(values, 0)), max_ns: String(sortedIndex(values, 1)) };
  });
}

function valuesIn(durations: readonly Duration[], range: number): DurationValue[] {
  return durations.map(({ durationNs, times }) => ({ range, value_ns: String(durationNs), count: times }));
}

function statesPart(shardId: string, states: readonly (DurationBucket | DurationValue)[]): RowPart {
  return partOf(
    shardId,
    states.map(row => ({ key: [], row })),
  );
}
