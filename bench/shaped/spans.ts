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

/** A part of a trace that is not the root's comes with the next export so often, and with the one after so often. */
const NEXT_SHARE = 0.2;
const AFTER_NEXT_SHARE = 0.1;
/** Traces that were held up before their export, and how long at most. */
const HELD_UP_SHARE = 0.001;
const HELD_UP_NS = 600e9;
const MOST_SPANS = 200;
/** Most time between a span's start and the one before it. */
const PAUSE_NS = 1.5e6;

/**
 * Traces of one to many spans over several services, whose parts come with different exports as those of real
 * processes do. `first` is how many spans there are already.
 */
export function createSpanSource(population: Population, chance: Chance, first: number): RecordSource {
  const later: PlannedRecord[][] = [[], []];
  let trace = Math.ceil((2 * first) / SPANS_PER_TRACE);
  let cursorNs = first * STEP_NS;
  return {
    take(count) {
      const records = later.shift() ?? [];
      later.push([]);
      while (records.length < count) {
        const heldUpNs = chance.number() < HELD_UP_SHARE ? chance.number() * HELD_UP_NS : 0;
        const startNs = Math.max(0, Math.round(cursorNs - heldUpNs));
        for (const { spans, delay } of planTrace(population, chance, { trace: trace++, startNs })) {
          cursorNs += spans.length * STEP_NS;
          const target = delay === 0 ? records : (later[delay - 1] as PlannedRecord[]);
          target.push(...spans);
        }
      }
      later[0]?.unshift(...records.splice(count));
      return records;
    },
  };
}

/** The spans that one service has of a trace, and how many exports later than the root's they come. */
interface TracePart {
  readonly spans: PlannedRecord[];
  readonly delay: number;
}

interface TraceStart {
  readonly trace: number;
  readonly startNs: number;
}

function planTrace(population: Population, chance: Chance, { trace, startNs }: TraceStart): TracePart[] {
  const size = Math.min(MOST_SPANS, 1 + Math.floor(-Math.log(1 - chance.number()) * (SPANS_PER_TRACE - 0.5)));
  const perService = 3 + chance.below(4);
  const parts: TracePart[] = [];
  for (let first = 0; first < size; first += perService) {
    const service = population.service(chance);
    const instance = instanceOf(service, trace);
    const spans: PlannedRecord[] = [];
    for (let span = first; span < Math.min(size, first + perService); span++) {
      const operation = service.operation(chance);
      const template = operation.span(span === 0, chance.number() < ERROR_SHARE);
      const parent = chance.below(Math.max(1, span));
      const spanStartNs = Math.round(startNs + span * PAUSE_NS * chance.number());
      const endNs = spanStartNs + Math.ceil(chance.logNormal(operation.medianNs, operation.sigma));
      const fillAttributes = varyingAttributes(template, chance);
      spans.push({
        instance,
        template,
        fill(target, at) {
          const { holes } = template;
          for (const hole of holes.traceId) writeTraceId(target, at + hole, trace);
          for (const hole of holes.spanId) writeSpanId(target, at + hole, trace, span);
          for (const hole of holes.parentSpanId) writeSpanId(target, at + hole, trace, parent);
          for (const hole of holes.start) writeTime(target, at + hole, spanStartNs);
          for (const hole of holes.end) writeTime(target, at + hole, endNs);
          fillAttributes(target, at);
        },
      });
    }
    parts.push({ spans, delay: first === 0 ? 0 : delayOf(chance.number()) });
  }
  return parts;
}

function delayOf(drawn: number): number {
  if (drawn < AFTER_NEXT_SHARE) return 2;
  return drawn < AFTER_NEXT_SHARE + NEXT_SHARE ? 1 : 0;
}
