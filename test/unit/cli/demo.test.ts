import { describe, expect, it } from 'vitest';
import { durationMs, SERVICE_NAMES, type SpanPlan } from '../../../src/cli/demo/plan.ts';
import { createRandom } from '../../../src/cli/demo/random.ts';
import { planTrace } from '../../../src/cli/demo/shop.ts';
import { demoCommand } from '../../../src/cli/demo.ts';

function plan(seed: number, count: number) {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => planTrace(random));
}

function all(span: SpanPlan): SpanPlan[] {
  return [span, ...(span.children ?? []).flatMap(all)];
}

describe('the traces of the demo', () => {
  it('are the same for the same seed and differ for another', () => {
    expect(plan(7, 20)).toEqual(plan(7, 20));
    expect(plan(8, 20)).not.toEqual(plan(7, 20));
  });

  it('fail up to the gateway when an order fails', () => {
    const spans = plan(2, 300).map(({ root }) => all(root));
    const failed = spans.filter(([, place]) => place?.name === 'checkout.place_order' && place.error);
    expect(failed.length).toBeGreaterThan(0);
    for (const [gateway, ...below] of failed) {
      expect(gateway?.error).toBeDefined();
      expect(gateway?.attributes).toMatchObject({ 'http.response.status_code': 502 });
      expect(below.some(({ error }) => error?.type === 'CardDeclined' || error?.type === 'OutOfStock')).toBe(
        true,
      );
      expect(below.some(({ queue }) => queue !== undefined)).toBe(false);
    }
  });

  it('show everything there is to look at within a few hundred', () => {
    const plans = plan(3, 300);
    const spans = plans.flatMap(({ root }) => all(root));
    expect(new Set(spans.map(({ service }) => service))).toEqual(new Set(SERVICE_NAMES));
    expect(new Set(spans.map(({ kind }) => kind)).size).toBe(5);
    const logs = [
      ...plans.flatMap(({ background }) => background),
      ...spans.flatMap(({ logs = [] }) => logs),
    ];
    expect(new Set(logs.map(({ severity }) => severity)).size).toBe(6);
    expect(spans.every(span => durationMs(span) > 0)).toBe(true);
  });
});

describe('otelfan demo', () => {
  const io = { stdout: { write: () => true }, stderr: { write: () => true }, isTty: false, env: {} };

  it.each([
    [['--rate', '0'], '--rate 0: expected a number above 0, at most 500'],
    [['--rate', 'fast'], '--rate fast: expected a number above 0'],
    [['--traces', '1.5'], '--traces 1.5: expected a whole number from 1 to 1000000'],
    [['--seed', '4294967296'], '--seed 4294967296: expected a whole number from 0 to 4294967295'],
    [['--duration', '30'], '--duration 30: expected a whole number above 0 with ms, s, m, h or d'],
    [['--duration', '2d'], 'at most 1d'],
    [['--duration', '2s', '--traces', '2'], 'not together with --duration'],
    [['--endpoint', 'localhost:4318'], '--endpoint localhost:4318: expected a URL with http:// or https://'],
    [['--fast'], '--fast'],
  ])('names what is wrong with %j', async (argv, message) => {
    await expect(demoCommand(argv, io)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(message) as string,
    });
  });
});
