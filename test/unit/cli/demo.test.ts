import { describe, expect, it } from 'vitest';
import { type DrawnSpan, drawTrace } from '../../../src/cli/demo/draw.ts';
import { createRandom } from '../../../src/cli/demo/random.ts';
import { demoCommand } from '../../../src/cli/demo.ts';

function draw(seed: number, count: number): DrawnSpan[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => drawTrace(random));
}

function all(span: DrawnSpan): DrawnSpan[] {
  return [span, ...span.children.flatMap(all)];
}

describe('the traces of the demo', () => {
  it('are the same for the same seed and differ for another', () => {
    expect(draw(7, 20)).toEqual(draw(7, 20));
    expect(draw(8, 20)).not.toEqual(draw(7, 20));
  });

  it('nest: every span lies within the one that called it', () => {
    for (const span of draw(1, 200).flatMap(all)) {
      expect(span.endMs).toBeGreaterThan(span.startMs);
      for (const child of span.children) {
        expect(child.startMs).toBeGreaterThanOrEqual(span.startMs);
        expect(child.endMs).toBeLessThanOrEqual(span.endMs);
      }
    }
  });

  it('fail where an exception says so and above, but not above what is optional', () => {
    const spans = draw(2, 500).flatMap(all);
    expect(spans.some(span => span.exception !== undefined)).toBe(true);
    for (const span of spans) {
      const failedBelow = span.children.some(child => child.hasFailed);
      if (span.hasFailed) expect(span.exception !== undefined || failedBelow).toBe(true);
      if (span.exception !== undefined) expect(span.hasFailed).toBe(true);
    }
  });

  it('show everything there is to look at in a few hundred', () => {
    const spans = draw(3, 300).flatMap(all);
    expect(new Set(spans.map(span => span.service)).size).toBe(6);
    expect(new Set(spans.map(span => span.kind)).size).toBe(5);
    expect(spans.some(span => span.linksToProducers)).toBe(true);
    expect(spans.some(span => span.event !== undefined)).toBe(true);
    expect(spans.some(span => 'gen_ai.prompt' in span.attributes)).toBe(true);
    expect(new Set(spans.map(span => span.log?.severity))).toEqual(
      new Set(['DEBUG', 'INFO', 'WARN', 'ERROR', undefined]),
    );
  });
});

describe('otelfan demo', () => {
  const io = { stdout: { write: () => true }, stderr: { write: () => true }, isTty: false, env: {} };

  it.each([
    [['--rate', '0'], '--rate 0: expected a number from 0.01 to 1000'],
    [['--rate', 'fast'], '--rate fast: expected a number from 0.01 to 1000'],
    [['--traces', '1.5'], '--traces 1.5: expected a whole number from 1 to 10000000'],
    [['--seed', '4294967296'], '--seed 4294967296: expected a number from 0 to 4294967295'],
    [['--duration', '30'], '--duration 30: expected a whole number above 0 with ms, s, m, h or d'],
    [['--duration', '2d'], 'at most 1d'],
    [['--endpoint', 'localhost:4318'], '--endpoint localhost:4318: expected a URL with http:// or https://'],
    [['--fast'], '--fast'],
  ])('names what is wrong with %j', async (argv, message) => {
    await expect(demoCommand(argv, io)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(message),
    });
  });
});
