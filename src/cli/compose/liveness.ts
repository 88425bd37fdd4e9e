/** How long a process may not answer before it is taken for stuck. */
export interface LivenessOptions {
  readonly everyMs: number;
  /** Silences in a row. Counted and not timed: a machine that slept must not find everything stuck. */
  readonly silences: number;
}

export interface Liveness {
  stop(): void;
}

/** Asks a health endpoint again and again; calls `onStuck` once, after so many silences. Any answer is life. */
export function watchLiveness(
  url: string,
  { everyMs, silences, onStuck }: LivenessOptions & { readonly onStuck: () => void },
): Liveness {
  const stopped = new AbortController();
  let silent = 0;
  let timer = setTimeout(() => void ask(), everyMs);

  async function ask(): Promise<void> {
    const answered = await fetch(url, {
      signal: AbortSignal.any([stopped.signal, AbortSignal.timeout(everyMs)]),
    }).then(
      async response => {
        await response.body?.cancel();
        return true;
      },
      () => false,
    );
    if (stopped.signal.aborted) return;
    silent = answered ? 0 : silent + 1;
    if (silent === silences) return onStuck();
    timer = setTimeout(() => void ask(), everyMs);
  }

  return {
    stop() {
      stopped.abort();
      clearTimeout(timer);
    },
  };
}
