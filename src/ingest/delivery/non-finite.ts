import { FIXED64, WireReader } from '../../shared/otlp/wire-reader.ts';
import { forEachRecord } from '../partition/cut.ts';

/*
 * Where the value of a data point lies that a tael-server stores (opentelemetry-proto 1.11):
 *   NumberDataPoint (of Gauge = 5, Sum = 7)        oneof { double as_double = 4; sfixed64 as_int = 6 }
 *   HistogramDataPoint, ExponentialHistogramDataPoint, SummaryDataPoint     double sum = 5
 * Of a field that comes twice the last one counts, and so of the members of a oneof.
 */
const GAUGE = 5;
const SUM = 7;
const AS_DOUBLE = 4;
const AS_INT = 6;
const DISTRIBUTION_SUM = 5;

/**
 * Numbers of the data points with the value NaN, Infinity or -Infinity, as `partition/cut` counts them. A tael-server
 * accepts such a point, cannot read it again, and from then on fails every read that meets it.
 *
 * @throws MalformedProtobufError
 */
export function nonFinitePoints(request: Buffer): ReadonlySet<number> {
  const found = new Set<number>();
  forEachRecord('metrics', request, ({ index, start, end, parentField }) => {
    const isNumber = parentField === GAUGE || parentField === SUM;
    const valueField = isNumber ? AS_DOUBLE : DISTRIBUTION_SUM;
    let hasFiniteValue = true;
    const reader = new WireReader(request, start, end);
    while (reader.next()) {
      if (reader.wireType !== FIXED64) continue;
      if (reader.field === valueField)
        hasFiniteValue = Number.isFinite(request.readDoubleLE(reader.valueStart));
      else if (isNumber && reader.field === AS_INT) hasFiniteValue = true;
    }
    if (!hasFiniteValue) found.add(index);
  });
  return found;
}
