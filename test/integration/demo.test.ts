import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { SpanStatusCode } from '@opentelemetry/api';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { createRandom } from '../../src/cli/demo/random.ts';
import { runDemo, systemClock } from '../../src/cli/demo/run.ts';
import { createTally } from '../../src/cli/demo/tally.ts';
import { demoCommand } from '../../src/cli/demo.ts';
import type { HttpListener } from '../../src/shared/http-listener.ts';
import { type ExportOutcome, refuse } from '../../src/shared/otlp/door.ts';
import { createOtlpHttpServer } from '../../src/shared/otlp/http-server.ts';
import { createJsonTranscoder } from '../../src/shared/otlp/json-transcoder.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import type { Signal } from '../../src/shared/otlp/signal.ts';
import { admissionOf } from '../support/admission.ts';

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}
interface Span {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly attributes: readonly Attribute[];
  readonly events: readonly { readonly name: string }[];
  readonly links: readonly { readonly spanId: string }[];
  readonly status: { readonly code: number } | null;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}
interface LogRecord {
  readonly traceId: string;
  readonly severityNumber: number;
}
interface Metric {
  readonly gauge?: { readonly dataPoints: readonly unknown[] };
  readonly sum?: { readonly dataPoints: readonly unknown[] };
  readonly histogram?: { readonly dataPoints: readonly unknown[] };
}

const types = createOtlpTypes();
const ACCEPTED: ExportOutcome = { kind: 'accepted', rejected: 0, message: '' };

let door: HttpListener | undefined;
afterEach(async () => {
  await door?.stop();
  door = undefined;
});

/** A door that keeps what it accepted; `answer` may refuse, also only some of it. */
async function openDoor(answer: (signal: Signal, requestBytes: number) => ExportOutcome = () => ACCEPTED) {
  const received = { spans: [] as Span[], logs: [] as LogRecord[], metrics: [] as Metric[] };
  door = await createOtlpHttpServer({
    host: '127.0.0.1',
    port: 0,
    maxRequestBytes: 10_000_000,
    admission: admissionOf(),
    transcoder: createJsonTranscoder(types),
    logger: pino({ level: 'silent' }),
    handle: ({ signal, body }) => {
      const outcome = answer(signal, body.length);
      if (outcome.kind === 'accepted') keep(received, signal, body);
      return Promise.resolve(outcome);
    },
  });
  return { endpoint: `http://127.0.0.1:${door.port}`, received };
}

function keep(
  { spans, logs, metrics }: { spans: Span[]; logs: LogRecord[]; metrics: Metric[] },
  signal: Signal,
  body: Buffer,
): void {
  const type = types.request(signal);
  const request = type.toObject(type.decode(body), { longs: String, arrays: true, defaults: true }) as Record<
    string,
    {
      resource: { attributes: Attribute[] };
      scopeSpans?: { spans: Span[] }[];
      scopeLogs?: { logRecords: LogRecord[] }[];
      scopeMetrics?: { metrics: Metric[] }[];
    }[]
  >;
  for (const group of Object.values(request).flat()) {
    const service =
      group.resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
    for (const span of group.scopeSpans?.flatMap(scope => scope.spans) ?? []) {
      spans.push({ ...span, service, ...idsOf(span) });
    }
    for (const log of group.scopeLogs?.flatMap(scope => scope.logRecords) ?? []) {
      logs.push({ ...log, traceId: hex(log.traceId) });
    }
    metrics.push(...(group.scopeMetrics?.flatMap(scope => scope.metrics) ?? []));
  }
}

function idsOf({ traceId, spanId, parentSpanId }: Span) {
  return { traceId: hex(traceId), spanId: hex(spanId), parentSpanId: hex(parentSpanId) };
}

function hex(bytes: unknown): string {
  return Buffer.from(bytes as Uint8Array).toString('hex');
}

function pointsOf(metrics: readonly Metric[]): number {
  return metrics.reduce(
    (sum, { gauge, sum: total, histogram }) => sum + ((gauge ?? total ?? histogram)?.dataPoints.length ?? 0),
    0,
  );
}

async function demo(argv: readonly string[]) {
  const out = { stdout: '', stderr: '' };
  const exitCode = await demoCommand(argv, {
    stdout: { write: text => (out.stdout += text) },
    stderr: { write: text => (out.stderr += text) },
    isTty: false,
    env: {},
  });
  return { ...out, exitCode };
}

/** The numbers of a line of the summary: sent, rejected, failed. */
function summaryOf(stdout: string, signal: Signal): number[] | undefined {
  return stdout
    .split('\n')
    .find(line => line.startsWith(`${signal} `))
    ?.match(/\d+/g)
    ?.map(Number);
}

describe('otelfan demo', () => {
  it('sends whole traces over the services, with everything telemetry has, and counts what it sent', async () => {
    const { endpoint, received } = await openDoor();
    const { exitCode, stdout, stderr } = await demo(
      ['--traces', '20', '--rate', '500', '--seed', '3'].concat('--endpoint', endpoint),
    );
    const { spans, logs, metrics } = received;

    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('20 traces made\n');
    expect(summaryOf(stdout, 'traces')).toEqual([spans.length, 0, 0]);
    expect(summaryOf(stdout, 'logs')).toEqual([logs.length, 0, 0]);
    expect(summaryOf(stdout, 'metrics')).toEqual([pointsOf(metrics), 0, 0]);

    const traces = Map.groupBy(spans, span => span.traceId);
    expect(traces.size).toBe(20);
    for (const members of traces.values()) {
      const ids = new Set(members.map(span => span.spanId));
      expect(members.filter(span => span.parentSpanId === '')).toHaveLength(1);
      expect(members.every(span => span.parentSpanId === '' || ids.has(span.parentSpanId))).toBe(true);
      expect(new Set(members.map(span => span.service)).size).toBeGreaterThan(1);
    }
    expect(new Set(spans.map(span => span.service)).size).toBeGreaterThanOrEqual(4);
    for (const span of spans) {
      expect(BigInt(span.endTimeUnixNano)).toBeGreaterThan(BigInt(span.startTimeUnixNano));
      const ageMs = Date.now() - Number(BigInt(span.endTimeUnixNano) / 1_000_000n);
      expect(ageMs).toBeGreaterThanOrEqual(0);
      expect(ageMs).toBeLessThan(60_000);
    }
    const failed = spans.filter(span => span.status?.code === SpanStatusCode.ERROR);
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.every(span => span.events.some(event => event.name === 'exception'))).toBe(true);
    expect(spans.some(span => span.events.some(event => event.name !== 'exception'))).toBe(true);
    const known = new Set(spans.map(span => span.spanId));
    const links = spans.flatMap(span => span.links);
    expect(links.length).toBeGreaterThan(0);
    expect(links.every(link => known.has(hex(link.spanId)))).toBe(true);
    const chats = spans.filter(span => span.attributes.some(({ key }) => key === 'gen_ai.completion'));
    expect(chats.length).toBeGreaterThan(0);
    for (const key of ['gen_ai.request.model', 'gen_ai.usage.input_tokens', 'gen_ai.prompt']) {
      expect(chats.every(chat => chat.attributes.some(attribute => attribute.key === key))).toBe(true);
    }
    expect(logs.some(log => log.traceId === '')).toBe(true);
    expect(logs.filter(log => log.traceId !== '').every(log => traces.has(log.traceId))).toBe(true);
    expect(new Set(logs.map(log => log.severityNumber)).size).toBeGreaterThan(2);
    for (const kind of ['gauge', 'sum', 'histogram'] as const) {
      expect(metrics.some(metric => metric[kind])).toBe(true);
    }
  });

  it('counts what a partial success rejected apart, says why and exits 1', async () => {
    const { endpoint, received } = await openDoor((signal, bytes) =>
      signal === 'logs' && bytes > 0
        ? { kind: 'accepted', rejected: 1, message: 'one is too old' }
        : ACCEPTED,
    );
    const { exitCode, stdout, stderr } = await demo([
      '--traces',
      '5',
      '--rate',
      '500',
      '--endpoint',
      endpoint,
    ]);
    const [sent = 0, rejected = 0, failed] = summaryOf(stdout, 'logs') ?? [];
    expect(exitCode).toBe(1);
    expect(rejected).toBeGreaterThan(0);
    expect([sent + rejected, failed]).toEqual([received.logs.length, 0]);
    expect(stderr).toContain('logs: one is too old');
    expect(summaryOf(stdout, 'traces')).toEqual([received.spans.length, 0, 0]);
  });

  it('counts exports that were refused, says why and exits 1', async () => {
    const { endpoint, received } = await openDoor(signal =>
      signal === 'metrics' ? refuse('malformed', 'no metrics today') : ACCEPTED,
    );
    const { exitCode, stdout, stderr } = await demo([
      '--traces',
      '5',
      '--rate',
      '500',
      '--endpoint',
      endpoint,
    ]);
    const [sent, , failed] = summaryOf(stdout, 'metrics') ?? [];
    expect({ exitCode, sent }).toEqual({ exitCode: 1, sent: 0 });
    expect(failed).toBeGreaterThan(0);
    expect(stderr).toContain('metrics: the receiver answered 400');
    expect(summaryOf(stdout, 'traces')).toEqual([received.spans.length, 0, 0]);
  });

  it('ends at once with 1 when nobody listens', async () => {
    const { endpoint } = await openDoor();
    await door?.stop();
    const { exitCode, stdout, stderr } = await demo(['--endpoint', endpoint]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toBe(`otelfan demo: cannot reach ${endpoint}: connection refused; is otelfan running?\n`);
  });

  it('counts every record as failed when the receiver goes away', async () => {
    const { endpoint } = await openDoor();
    await door?.stop();
    const tally = createTally();
    const traces = await runDemo({
      endpoint: new URL(endpoint),
      tracesPerSecond: 500,
      until: { traces: 3 },
      random: createRandom(1),
      clock: systemClock,
      stop: new AbortController().signal,
      exportTimeoutMs: 300,
      tally,
    });
    expect(traces).toBe(3);
    for (const signal of ['traces', 'metrics'] as const) {
      const { made, accepted, failed } = tally.count(signal);
      expect(made).toBeGreaterThan(0);
      expect({ accepted, failed }).toEqual({ accepted: 0, failed: made });
    }
    expect(tally.reasons().join('\n')).toContain('ECONNREFUSED');
  });

  it('keeps the pace and the duration by its clock', async () => {
    const { endpoint } = await openDoor();
    let nowMs = Date.now();
    const slept: number[] = [];
    const traces = await runDemo({
      endpoint: new URL(endpoint),
      tracesPerSecond: 4,
      until: { durationMs: 5000 },
      random: createRandom(1),
      clock: {
        nowMs: () => nowMs,
        sleep: ms => {
          slept.push(ms);
          nowMs += ms;
          return Promise.resolve();
        },
      },
      stop: new AbortController().signal,
      exportTimeoutMs: 5000,
      tally: createTally(),
    });
    expect(traces).toBe(20);
    expect(slept).toEqual([0, ...Array.from({ length: 19 }, () => 250)]);
  });

  it('sends what it has made and exits 0 on SIGINT', async () => {
    const { endpoint, received } = await openDoor();
    const bin = join(import.meta.dirname, '..', '..', 'bin', 'otelfan.mjs');
    const child = spawn(
      process.execPath,
      [bin, 'demo', '--duration', '10m', '--rate', '50', '--endpoint', endpoint],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const [stdout, stderr, exited] = [text(child.stdout), text(child.stderr), once(child, 'exit')];
    while (received.spans.length === 0) await new Promise(resolve => setTimeout(resolve, 20));
    child.kill('SIGINT');
    expect(await exited).toEqual([0, null]);
    expect(await stderr).toBe('');
    expect(summaryOf(await stdout, 'traces')).toEqual([received.spans.length, 0, 0]);
    expect(summaryOf(await stdout, 'logs')).toEqual([received.logs.length, 0, 0]);
  });
});
