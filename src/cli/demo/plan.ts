import type { Attributes, SeverityNumber, SpanKind } from '@opentelemetry/api';

/** The services of the demo's shop; each has its own resource and providers. */
export const SERVICE_NAMES = ['web-gateway', 'checkout', 'inventory', 'payments', 'assistant'] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

export interface LogPlan {
  readonly severity: SeverityNumber;
  readonly body: string;
  readonly attributes?: Attributes;
}

/** A span to be: where it runs, how long, and what happens meanwhile. Children follow one another. */
export interface SpanPlan {
  readonly service: ServiceName;
  readonly name: string;
  readonly kind: SpanKind;
  /** Milliseconds of its own; its children's come on top. */
  readonly selfMs: number;
  readonly attributes?: Attributes;
  readonly events?: readonly { readonly name: string; readonly attributes?: Attributes }[];
  /** Ends the span with an exception and an error status. */
  readonly error?: { readonly type: string; readonly message: string };
  readonly logs?: readonly LogPlan[];
  readonly children?: readonly SpanPlan[];
  /** Puts a message on the queue, or takes the newest ones from it and links to their spans. */
  readonly queue?: 'publishes' | 'consumes';
}

export interface TracePlan {
  readonly root: SpanPlan;
  /** Logs of nobody's request: they have no trace context. */
  readonly background: readonly (LogPlan & { readonly service: ServiceName })[];
}

export function durationMs(span: SpanPlan): number {
  return (span.children ?? []).reduce((sum, child) => sum + durationMs(child), span.selfMs);
}
