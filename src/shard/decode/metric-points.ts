import type { Steps } from './steps.ts';

/** The data points of one metric, which become records in any number of parts. */
export interface MetricPoints {
  readonly count: number;
  /**
   * Adds those from one to before another, after all those before. False when one is not plain: none of the metric is
   * there then, and all are to be decoded otherwise.
   */
  add(from: number, end: number): boolean;
}

/** Some hundredths of a millisecond of them, or tenths where they are costly. Most metrics have fewer: no steps for these. */
const POINTS_PER_STEP = 16;

/** Adds all of the points, or all of the others: at once, or in the steps that it returns. */
export function addPoints(points: MetricPoints, otherwise: () => MetricPoints): Steps<void> | undefined {
  if (points.count > POINTS_PER_STEP) return addInSteps(points, otherwise);
  return points.add(0, points.count) ? undefined : addPoints(otherwise(), otherwise);
}

function* addInSteps(points: MetricPoints, otherwise: () => MetricPoints): Steps<void> {
  for (let from = 0; from < points.count; from += POINTS_PER_STEP) {
    if (!points.add(from, Math.min(from + POINTS_PER_STEP, points.count))) {
      yield* addInSteps(otherwise(), otherwise);
      return;
    }
    yield;
  }
}
