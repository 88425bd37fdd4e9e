import { describe, expect, it } from 'vitest';
import {
  type Anomaly,
  compareAnomalies,
  errorAnomaly,
  latencyAnomaly,
} from '../../../../src/query/merge/anomaly-rules.ts';

const MS = 1_000_000n;
const errors = (current: [errors: number, spans: number], baseline: [errors: number, spans: number]) =>
  errorAnomaly({
    service: 'web',
    current: { errors: current[0], spans: current[1] },
    baseline: { errors: baseline[0], spans: baseline[1] },
  });
const latency = (currentMs: bigint, baselineMs: bigint) =>
  latencyAnomaly({ service: 'web', current: currentMs * MS, baseline: baselineMs * MS });

describe('D20: the documented rules, of an error rate', () => {
  it.each<[string | undefined, [number, number], [number, number]]>([
    ['critical', [35, 100], [10, 100]],
    ['warning', [349, 1000], [100, 1000]],
    ['warning', [20, 100], [10, 100]],
    ['info', [199, 1000], [100, 1000]],
    ['info', [15, 100], [10, 100]],
    [undefined, [149, 1000], [100, 1000]],
    [undefined, [0, 100], [0, 100]],
    [undefined, [10, 100], [15, 100]],
    [undefined, [4, 4], [0, 100]],
    ['critical', [5, 5], [0, 0]],
  ])('is %s at %j against %j', (severity, current, baseline) => {
    expect(errors(current, baseline)?.severity).toBe(severity);
  });

  it('say what rose, with the exact difference', () => {
    expect(errors([15, 100], [10, 100])).toEqual({
      service: 'web',
      kind: 'error_rate',
      severity: 'info',
      current: 0.15,
      baseline: 0.1,
      delta: 0.05,
      description: 'Error rate rose 10.0% → 15.0% (baseline 10.0%, 100 spans)',
    });
  });

  it('hold for counts whose products no double holds exactly', () => {
    const spans = 3_000_000_000;
    expect(errors([spans / 4, spans], [0, spans])?.severity).toBe('critical');
    expect(errors([spans / 4 - 1, spans], [0, spans])?.severity).toBe('warning');
  });
});

describe('D20: the documented rules, of a latency', () => {
  it.each<[string | undefined, bigint, bigint]>([
    ['critical', 300n, 100n],
    ['warning', 299n, 100n],
    ['warning', 200n, 100n],
    ['info', 199n, 100n],
    ['info', 150n, 100n],
    [undefined, 149n, 100n],
    ['critical', 51n, 1n],
    [undefined, 50n, 1n],
    [undefined, 100n, 0n],
    [undefined, 100n, -10n],
  ])('is %s at %d ms against %d ms', (severity, current, baseline) => {
    expect(latency(current, baseline)?.severity).toBe(severity);
  });

  it('say how many times it is the baseline', () => {
    expect(latency(450n, 200n)).toEqual({
      service: 'web',
      kind: 'latency_p95',
      severity: 'warning',
      current: 450,
      baseline: 200,
      delta: 250,
      description: 'p95 latency 200.0ms → 450.0ms (2.2× baseline)',
    });
  });
});

it('anomalies come by severity, then service, then kind', () => {
  const anomalies = [
    ['critical', 'b', 'error_rate'],
    ['critical', '\uffee', 'latency_p95'],
    ['critical', '😀', 'error_rate'],
    ['warning', 'a', 'error_rate'],
    ['warning', 'a', 'latency_p95'],
    ['info', 'a', 'error_rate'],
  ].map(([severity, service, kind]) => ({ severity, service, kind }) as Anomaly);
  expect(anomalies.toReversed().sort(compareAnomalies)).toEqual(anomalies);
});
