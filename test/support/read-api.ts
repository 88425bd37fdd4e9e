import type { Json } from './otlp-arbitraries.ts';

export interface Envelope extends Json {
  readonly partial: boolean;
  readonly shards: {
    readonly total: number;
    readonly ok: number;
    readonly failed: readonly { id: string; reason: string }[];
  };
}

export async function get(
  api: string,
  path: string,
): Promise<{ status: number; body: Envelope; headers: Headers }> {
  const response = await fetch(`${api}/api/v1/${path}`);
  return { status: response.status, body: (await response.json()) as Envelope, headers: response.headers };
}

/** Asks until the answer is as expected; what was stored arrives a moment later. */
export async function eventually<T>(
  ask: () => Promise<T>,
  isRight: (answer: T) => boolean,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (isRight(answer)) return answer;
    if (performance.now() > deadline) {
      throw new Error(`still not right after ${timeoutMs} ms: ${JSON.stringify(answer).slice(0, 2000)}`);
    }
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}
