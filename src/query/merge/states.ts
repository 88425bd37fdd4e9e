import { z } from 'zod';
import type {
  DurationBucket,
  DurationValue,
  GroupCount,
  ServiceState,
  SpanTotals,
} from '../../shared/read/contract.ts';
import { BrokenPart, type RowPart, rowsOf } from './row-part.ts';

/** A partial state and the shard that sent it. */
export interface ShardState<T> {
  readonly shardId: string;
  readonly state: T;
}

/** The partial states of all parts. Throws {@link BrokenPart} for one that does not fit the schema. */
export function statesOf<T>(parts: readonly RowPart[], schema: z.ZodType<T>): T[] {
  return shardStatesOf(parts, schema).map(({ state }) => state);
}

export function shardStatesOf<T>(parts: readonly RowPart[], schema: z.ZodType<T>): ShardState<T>[] {
  return parts.flatMap(part => {
    const { shardId } = part;
    return Array.from(rowsOf(part), ({ rowJson }) => ({
      shardId,
      state: stateOf({ shardId, rowJson }, schema),
    }));
  });
}

/** The state of one row. Throws {@link BrokenPart} when it does not fit the schema. */
export function stateOf<T>(
  { shardId, rowJson }: { readonly shardId: string; readonly rowJson: string },
  schema: z.ZodType<T>,
): T {
  try {
    return schema.parse(JSON.parse(rowJson));
  } catch (error) {
    throw new BrokenPart(shardId, 'sent a malformed state', { cause: error });
  }
}

const count = z.int().min(0);
const nanos = z.string().regex(/^-?\d{1,39}$/);
const spanState = { span_count: count, trace_count: count, error_count: count, duration_sum_ns: nanos };

export const serviceState: z.ZodType<ServiceState> = z.object({ service: z.string(), ...spanState });

export const spanTotals: z.ZodType<SpanTotals> = z.object({
  ...spanState,
  duration_min_ns: z.exactOptional(nanos),
  duration_max_ns: z.exactOptional(nanos),
});

export const durationBucket: z.ZodType<DurationBucket> = z.object({
  service: z.exactOptional(z.string()),
  range: z.exactOptional(count),
  count,
  min_ns: nanos,
  max_ns: nanos,
});

export const durationValue: z.ZodType<DurationValue> = z.object({ range: count, value_ns: nanos, count });

export const groupCount: z.ZodType<GroupCount> = z.object({ group: z.array(z.string()), count });
