import type { OtlpTypes } from '../../src/shared/otlp/messages.ts';
import type { Signal } from '../../src/shared/otlp/signal.ts';
import { createChance } from './chance.ts';
import { createLogSource } from './logs.ts';
import { createPointSource } from './points.ts';
import { createPopulation, type Instance } from './population.ts';
import type { PlannedRecord, RecordSource } from './source.ts';
import { createSpanSource } from './spans.ts';
import { varint } from './template.ts';

/** Synthetic telemetry with the shape of real one, the same for the same seed. */
export interface Requests {
  /** The next `Export*ServiceRequest` of a signal, in protobuf. */
  next(signal: Signal, records: number): Buffer;
}

/** How many records of each signal there are already: what is given goes on behind them. */
export type Holdings = Readonly<Record<Signal, number>>;

export function createRequests(types: OtlpTypes, seed: number, holdings: Holdings): Requests {
  const population = createPopulation(types, seed);
  const chance = createChance(seed + 1);
  const sources: Readonly<Record<Signal, RecordSource>> = {
    traces: createSpanSource(population, chance, holdings.traces),
    logs: createLogSource(population, chance, holdings.logs),
    metrics: createPointSource(population, chance, holdings.metrics),
  };
  return { next: (signal, records) => encodeRequest(sources[signal].take(records)) };
}

/** Field 1 of a request, and field 2 of what it holds: the same numbers for spans, logs and metrics. */
const OF_RESOURCE_TAG = 0x0a;
const OF_SCOPE_TAG = 0x12;

/** The records in an envelope for each process that they are of. */
function encodeRequest(records: readonly PlannedRecord[]): Buffer {
  const envelopes = Array.from(
    Map.groupBy(records, record => record.instance),
    ([instance, members]) => ({ head: headOf(instance, members), members }),
  );
  const sizeBytes = envelopes.reduce((sum, { head, members }) => sum + head.length + bytesOf(members), 0);
  const request = Buffer.allocUnsafe(sizeBytes);
  let at = 0;
  for (const { head, members } of envelopes) {
    at += head.copy(request, at);
    for (const { template, fill } of members) {
      template.bytes.copy(request, at);
      fill(request, at);
      at += template.bytes.length;
    }
  }
  return request;
}

/** Everything of a `Resource…` message up to its first record. */
function headOf({ resource, scope }: Instance, members: readonly PlannedRecord[]): Buffer {
  const ofScopeBytes = scope.length + bytesOf(members);
  const ofScopeHead = Buffer.concat([Buffer.from([OF_SCOPE_TAG]), varint(ofScopeBytes)]);
  const ofResourceBytes = resource.length + ofScopeHead.length + ofScopeBytes;
  return Buffer.concat([
    Buffer.from([OF_RESOURCE_TAG]),
    varint(ofResourceBytes),
    resource,
    ofScopeHead,
    scope,
  ]);
}

function bytesOf(records: readonly PlannedRecord[]): number {
  return records.reduce((sum, { template }) => sum + template.bytes.length, 0);
}
