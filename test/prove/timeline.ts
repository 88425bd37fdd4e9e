/** What happened in a trial and when, for whoever has to understand a failure. */
export interface Timeline {
  note(text: string): void;
  /** `1.204 s  kill -9 shard s2`, in order. */
  lines(): readonly string[];
}

export function createTimeline(now: () => number, onNote: (text: string) => void = () => {}): Timeline {
  const startMs = now();
  const lines: string[] = [];
  return {
    note(text) {
      lines.push(`${((now() - startMs) / 1000).toFixed(3).padStart(7)} s  ${text}`);
      onNote(text);
    },
    lines: () => lines,
  };
}
