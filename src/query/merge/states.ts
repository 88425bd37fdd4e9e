import type { z } from 'zod';
import { BrokenPart, type RowPart, rowsOf } from './row-part.ts';

/** The partial states of all parts. Throws {@link BrokenPart} for one that does not fit the schema. */
export function statesOf<T>(parts: readonly RowPart[], schema: z.ZodType<T>): T[] {
  return parts.flatMap(part =>
    Array.from(rowsOf(part), ({ rowJson }) => {
      try {
        return schema.parse(JSON.parse(rowJson));
      } catch (error) {
        throw new BrokenPart(part.shardId, 'sent a malformed state', { cause: error });
      }
    }),
  );
}
