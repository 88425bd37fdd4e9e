import {
  type Context,
  type HrTime,
  type Link,
  ROOT_CONTEXT,
  SeverityNumber,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { durationMs, type LogPlan, type ServiceName, type SpanPlan, type TracePlan } from './plan.ts';
import type { DemoService } from './service.ts';

export interface Stage {
  readonly services: Readonly<Record<ServiceName, DemoService>>;
  /** Spans whose messages are on the queue, newest last. */
  readonly published: SpanContext[];
}

/** Messages that one consumer takes at once. */
const MAX_LINKS = 3;

/** Makes a planned trace real, as if it had just ended: nobody waits for it. */
export function perform({ services, published }: Stage, plan: TracePlan, nowMs: number): void {
  const startMs = nowMs - durationMs(plan.root);
  for (const log of plan.background)
    emit(services[log.service], { log, atMs: startMs, context: ROOT_CONTEXT });
  performSpan({ services, published }, plan.root, { parent: ROOT_CONTEXT, startMs });
}

interface Place {
  readonly parent: Context;
  readonly startMs: number;
}

function performSpan(stage: Stage, plan: SpanPlan, { parent, startMs }: Place): void {
  const service = stage.services[plan.service];
  const span = service.tracer.startSpan(
    plan.name,
    {
      kind: plan.kind,
      startTime: timeOf(startMs),
      attributes: plan.attributes ?? {},
      links: plan.queue === 'consumes' ? linksTo(stage.published) : [],
    },
    parent,
  );
  const inSpan = trace.setSpan(ROOT_CONTEXT, span);
  // The first half of its own time is before its children, the second half after them.
  let atMs = startMs + plan.selfMs / 2;
  for (const event of plan.events ?? []) span.addEvent(event.name, event.attributes ?? {}, timeOf(atMs));
  for (const child of plan.children ?? []) {
    const isCall = child.service !== plan.service;
    const parentOfChild = isCall
      ? trace.setSpanContext(ROOT_CONTEXT, { ...span.spanContext(), isRemote: true })
      : inSpan;
    performSpan(stage, child, { parent: parentOfChild, startMs: atMs });
    atMs += durationMs(child);
  }
  for (const log of plan.logs ?? []) emit(service, { log, atMs, context: inSpan });
  if (plan.error !== undefined) {
    span.recordException({ name: plan.error.type, message: plan.error.message }, timeOf(atMs));
    span.setStatus({ code: SpanStatusCode.ERROR, message: plan.error.message });
    span.setAttribute('error.type', plan.error.type);
  }
  span.end(timeOf(startMs + durationMs(plan)));
  if (plan.queue !== undefined) stage.published.splice(0, stage.published.length - MAX_LINKS + 1);
  if (plan.queue === 'publishes') stage.published.push(span.spanContext());
  measure(service, plan, stage.published.length);
}

function linksTo(published: readonly SpanContext[]): Link[] {
  return published.map(context => ({ context, attributes: { 'messaging.operation.type': 'process' } }));
}

function measure({ instruments }: DemoService, plan: SpanPlan, queueDepth: number): void {
  const outcome = plan.error === undefined ? 'ok' : 'error';
  if (plan.kind === SpanKind.SERVER) {
    const attributes = { operation: plan.name, outcome };
    instruments.requests.add(1, attributes);
    instruments.duration.record(durationMs(plan) / 1000, attributes);
  }
  if (plan.kind === SpanKind.PRODUCER) instruments.openCarts.add(-1);
  if (plan.name === 'GET product') instruments.openCarts.add(1);
  if (plan.queue !== undefined) instruments.queueDepth.record(queueDepth, { queue: 'orders' });
  for (const type of ['input', 'output']) {
    const tokens = plan.attributes?.[`gen_ai.usage.${type}_tokens`];
    if (typeof tokens === 'number') instruments.tokens.record(tokens, { 'gen_ai.token.type': type });
  }
}

interface Emission {
  readonly log: LogPlan;
  readonly atMs: number;
  readonly context: Context;
}

function emit({ logger }: DemoService, { log, atMs, context }: Emission): void {
  logger.emit({
    timestamp: timeOf(atMs),
    observedTimestamp: timeOf(atMs),
    severityNumber: log.severity,
    severityText: SeverityNumber[log.severity] ?? '',
    body: log.body,
    attributes: log.attributes ?? {},
    context,
  });
}

/** The SDK takes a number from before the process began for a `performance.now()`, so it never gets numbers. */
function timeOf(epochMs: number): HrTime {
  const seconds = Math.floor(epochMs / 1000);
  return [seconds, Math.floor((epochMs - seconds * 1000) * 1_000_000)];
}
