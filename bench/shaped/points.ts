import type { Chance } from './chance.ts';
import { POINTS_PER_METRIC, type Population } from './population.ts';
import { instanceOf, type PlannedRecord, type RecordSource, STEP_NS, writeTime } from './source.ts';

/** Gauges, counters and histograms. `first` is how many points there are already. */
export function createPointSource(population: Population, chance: Chance, first: number): RecordSource {
  let number = first;
  return {
    take: count =>
      Array.from({ length: Math.ceil(count / POINTS_PER_METRIC) }, () => {
        const metric = planMetric(population, chance, number);
        number += POINTS_PER_METRIC;
        return metric;
      }),
  };
}

/** One metric with a point of each of its series. */
function planMetric(population: Population, chance: Chance, number: number): PlannedRecord {
  const service = population.service(chance);
  const template = service.points(chance);
  const doubles = template.holes.double.map(() => Math.round(chance.logNormal(1000, 1)) / 1000);
  return {
    instance: instanceOf(service, number / POINTS_PER_METRIC),
    template,
    fill(target, at) {
      const { holes } = template;
      for (const hole of holes.start) writeTime(target, at + hole, number * STEP_NS);
      for (const hole of holes.end) writeTime(target, at + hole, 0);
      holes.double.forEach((hole, index) => {
        target.writeDoubleLE(doubles[index] as number, at + hole);
      });
      holes.integer.forEach((hole, index) => {
        target.writeUInt32LE(number + index, at + hole);
        target.writeUInt32LE(0, at + hole + 4);
      });
    },
  };
}
