/** Small exports whose ids never repeat: each record is sent once, whatever becomes of it. */
interface LoadResult {
  /** Span ids of every export that was answered with 200. */
  readonly acknowledged: Set<string>;
  /** Span ids of every export, whatever the answer. */
  readonly sent: Set<string>;
}

interface LoadOptions {
  readonly http: string;
  readonly random: () => number;
  readonly service: string;
  /** Exports on the way at once. */
  readonly concurrency: number;
  /** Goes on with other exports when one got no answer. Default false. */
  readonly persistent?: boolean;
  /** Pause of each sender between two exports. Default 0. */
  readonly pauseMs?: number;
}

export interface Load {
  /** Records that were sent so far. */
  sentSoFar(): number;
  stop(): Promise<LoadResult>;
}

/** As SDKs have it. */
const EXPORT_TIMEOUT_MS = 10_000;

/** Sends until `stop` is called or, unless it is persistent, the receiver goes away. */
export function startLoad({
  http,
  random,
  service,
  concurrency,
  persistent = false,
  pauseMs = 0,
}: LoadOptions): Load {
  const result: LoadResult = { acknowledged: new Set(), sent: new Set() };
  let stopped = false;
  const hex = (digits: number) =>
    Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');

  async function sendForever(): Promise<void> {
    while (!stopped) {
      const spanIds = Array.from({ length: 1 + Math.floor(random() * 20) }, () => hex(16));
      for (const id of spanIds) result.sent.add(id);
      const body = JSON.stringify(exportOf(service, spanIds, () => hex(32)));
      try {
        const response = await fetch(`${http}/v1/traces`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
          signal: AbortSignal.timeout(EXPORT_TIMEOUT_MS),
        });
        const answer = (await response.json()) as { partialSuccess?: unknown };
        if (response.status === 200 && answer.partialSuccess === undefined) {
          for (const id of spanIds) result.acknowledged.add(id);
        }
      } catch {
        if (!persistent) return;
        await new Promise(resolve => setTimeout(resolve, 20));
      }
      if (pauseMs > 0) await new Promise(resolve => setTimeout(resolve, pauseMs));
    }
  }

  const senders = Array.from({ length: concurrency }, sendForever);
  return {
    sentSoFar: () => result.sent.size,
    stop: async () => {
      stopped = true;
      await Promise.all(senders);
      return result;
    },
  };
}

function exportOf(service: string, spanIds: readonly string[], newTraceId: () => string) {
  const now = `${Date.now()}000000`;
  const spans = spanIds.map(spanId => ({
    traceId: newTraceId(),
    spanId,
    name: 'load',
    startTimeUnixNano: now,
    endTimeUnixNano: now,
  }));
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: service } }] };
  return { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] };
}

/** A small seeded generator (mulberry32), so that a failing run can be repeated. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
