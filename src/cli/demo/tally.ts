import { DiagLogLevel, diag } from '@opentelemetry/api';
import { SIGNAL_FACTS, SIGNALS, type Signal } from '../../shared/otlp/signal.ts';

/** Spans, log records or data points. */
export interface Count {
  /** Handed to the SDK. */
  readonly made: number;
  /** In exports that the receiver accepted. */
  readonly accepted: number;
  /** Of the accepted ones, those that a partial success refused. */
  readonly rejected: number;
  /** In exports that failed. What the SDK dropped because its queue was full was made, and is in neither. */
  readonly failed: number;
}

export interface Tally {
  made(signal: Signal, records: number): void;
  exported(signal: Signal, records: number, error: Error | undefined): void;
  rejected(signal: Signal, records: number, reason: string): void;
  count(signal: Signal): Count;
  /** One line for each different reason, with how often it occurred. */
  reasons(): readonly string[];
}

/** More different reasons than a person reads. */
const MAX_REASONS = 10;

export function createTally(): Tally {
  const none = (): { -readonly [name in keyof Count]: number } => ({
    made: 0,
    accepted: 0,
    rejected: 0,
    failed: 0,
  });
  const counts = { traces: none(), logs: none(), metrics: none() };
  const reasons = new Map<string, number>();
  const remember = (reason: string) => {
    if (reasons.has(reason) || reasons.size < MAX_REASONS)
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  };
  return {
    made: (signal, records) => {
      counts[signal].made += records;
    },
    exported: (signal, records, error) => {
      counts[signal][error === undefined ? 'accepted' : 'failed'] += records;
      if (error !== undefined) remember(`${signal}: ${describe(error)}`);
    },
    rejected: (signal, records, reason) => {
      counts[signal].rejected += records;
      remember(`${signal}: ${reason}`);
    },
    count: signal => ({ ...counts[signal] }),
    reasons: () =>
      [...reasons].map(([reason, times]) => (times === 1 ? reason : `${reason} (${times} times)`)),
  };
}

function describe(error: Error): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'number'
    ? `the receiver answered ${code} ${error.message}`
    : error.message || String(code);
}

/**
 * The SDK takes a partial success for a success and only logs it, to a logger that is one for the process: this
 * reads it from there. Returns how to stop.
 */
export function watchPartialSuccess(tally: Tally): () => void {
  const ignore = () => {};
  diag.setLogger(
    {
      error: ignore,
      info: ignore,
      debug: ignore,
      verbose: ignore,
      warn: (_message, ...details) => {
        for (const detail of details) countRejected(tally, detail);
      },
    },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  return () => diag.disable();
}

function countRejected(tally: Tally, detail: unknown): void {
  const partial = typeof detail === 'string' ? parseObject(detail) : undefined;
  for (const signal of SIGNALS) {
    const rejected = Number(partial?.[SIGNAL_FACTS[signal].rejectedField] ?? 0);
    if (rejected > 0) tally.rejected(signal, rejected, String(partial?.errorMessage ?? 'no reason given'));
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
