import type { Chance } from './chance.ts';
import { SPANS_PER_TRACE, writeSpanId, writeTraceId } from './ids.ts';
import type { Population } from './population.ts';
import {
  ERROR_SHARE,
  instanceOf,
  type PlannedRecord,
  type RecordSource,
  STEP_NS,
  varyingAttributes,
  writeTime,
} from './source.ts';

const OBSERVED_AFTER_NS = 250_000;

/** Log records that name the traces of their time. `first` is how many there are already. */
export function createLogSource(population: Population, chance: Chance, first: number): RecordSource {
  let number = first;
  return { take: count => Array.from({ length: count }, () => planLog(population, chance, number++)) };
}

function planLog(population: Population, chance: Chance, number: number): PlannedRecord {
  const service = population.service(chance);
  const template = service.log(chance, chance.number() < ERROR_SHARE);
  const trace = Math.floor(number / SPANS_PER_TRACE);
  const fillAttributes = varyingAttributes(template, chance);
  return {
    instance: instanceOf(service, trace),
    template,
    fill(target, at) {
      const { holes } = template;
      for (const hole of holes.traceId) writeTraceId(target, at + hole, trace);
      for (const hole of holes.spanId) writeSpanId(target, at + hole, trace, 0);
      for (const hole of holes.start) writeTime(target, at + hole, number * STEP_NS);
      for (const hole of holes.end) writeTime(target, at + hole, number * STEP_NS + OBSERVED_AFTER_NS);
      fillAttributes(target, at);
    },
  };
}
