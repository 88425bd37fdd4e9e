import { describe, expect, it } from 'vitest';
import { scalePlot } from '../../../bench/scale/plot.ts';

const figures = {
  shards_4_cpu_ms_per_query_of_1: 1,
  shards_16_cpu_ms_per_query_of_1: 10,
  shards_64_cpu_ms_per_query_of_1: 100,
  replicas_1_cpu_us_per_span: 5,
  replicas_4_cpu_us_per_span: 5,
};

describe('the plot of what grows with shards and replicas', () => {
  const circles = [...scalePlot(figures).matchAll(/cx="([\d.]+)" cy="([\d.]+)".*?<title>([^<]+)</g)];

  it('has a point for each figure, named by what it is', () => {
    expect(circles.map(([, , , title]) => title)).toEqual([
      '1 row, 4 shards: 1',
      '1 row, 16 shards: 10',
      '1 row, 64 shards: 100',
      'ingest, 1 replicas: 5',
      'ingest, 4 replicas: 5',
    ]);
  });

  it('draws what grows with a number as a straight line, and upwards', () => {
    const [[, x0, y0], [, x1, y1], [, x2, y2]] = circles as unknown as string[][] as [
      string[],
      string[],
      string[],
    ];
    expect(Number(x1) - Number(x0)).toBeCloseTo(Number(x2) - Number(x1), 0);
    expect(Number(y1) - Number(y0)).toBeCloseTo(Number(y2) - Number(y1), 0);
    expect(Number(y1)).toBeLessThan(Number(y0));
  });

  it('leaves a panel empty of which nothing was measured', () => {
    expect(scalePlot(figures)).not.toMatch(/NaN|Infinity/);
  });
});
