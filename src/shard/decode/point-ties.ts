import { LENGTH_DELIMITED, WireReader } from '../../shared/otlp/wire-reader.ts';
import type { Hash } from '../../shared/topology/hash.ts';

/** Fields of `Metric` that hold data points: gauge, sum, histogram, exponential histogram, summary. */
const DATA_FIELDS: ReadonlySet<number> = new Set([5, 7, 9, 10, 11]);
/** In each of them. */
const DATA_POINTS = 1;

/**
 * The ties of a metric's data points: hashes of the point's bytes, of the metric's without its points, and of what is
 * around it (`seed`).
 */
export function pointTies(metric: Buffer, seed: bigint, hash: Hash): bigint[] {
  const points: Buffer[] = [];
  let shared = seed;
  const addShared = (bytes: Buffer) => {
    shared = hash.hash64(bytes, shared);
  };
  const reader = new WireReader(metric);
  while (reader.next()) {
    if (reader.wireType !== LENGTH_DELIMITED || !DATA_FIELDS.has(reader.field)) {
      addShared(metric.subarray(reader.fieldStart, reader.fieldEnd));
      continue;
    }
    addShared(Buffer.of(reader.field));
    const data = new WireReader(metric, reader.valueStart, reader.fieldEnd);
    while (data.next()) {
      if (data.wireType === LENGTH_DELIMITED && data.field === DATA_POINTS)
        points.push(metric.subarray(data.valueStart, data.fieldEnd));
      else addShared(metric.subarray(data.fieldStart, data.fieldEnd));
    }
  }
  return points.map(point => hash.hash64(point, shared));
}
