import { type Profiler, Session } from 'node:inspector';

/** Which code of the product has run, as V8 counts it. A look costs a few milliseconds. */
export interface Coverage {
  /** Whether something ran since the last look that was not learned before. */
  hasNews(): boolean;
  /** Learns what ran since the last look; says whether there was something new. */
  learn(): boolean;
  /** Size of the code that was learned, in characters of the functions that ran. */
  readonly learnedChars: number;
  stop(): void;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

interface RunFunction {
  readonly id: string;
  readonly chars: number;
  /** Blocks in it that did not run, in order and apart. */
  readonly missed: readonly Range[];
}

/** Counts in all scripts whose address has `within`, such as `/src/`, in this process. */
export function startCoverage(within: string): Coverage {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
  /** What has not run yet of the functions that have. */
  const missing = new Map<string, readonly Range[]>();
  let learnedChars = 0;

  function look(): RunFunction[] {
    let scripts: readonly Profiler.ScriptCoverage[] = [];
    // The inspector of the own process answers before `post` returns.
    session.post('Profiler.takePreciseCoverage', (_error, { result }) => (scripts = result));
    return scripts
      .filter(({ url }) => url.includes(within) && !url.includes('/node_modules/'))
      .flatMap(({ url, functions }) => functions.flatMap(each => runFunction(url, each)));
  }

  const stillMissing = ({ id, missed }: RunFunction) => {
    const before = missing.get(id);
    return before === undefined ? missed : intersection(before, missed);
  };
  const isNews = (each: RunFunction) => {
    const before = missing.get(each.id);
    return before === undefined || charsOf(stillMissing(each)) < charsOf(before);
  };

  return {
    hasNews: () => look().some(isNews),
    learn() {
      const news = look().filter(isNews);
      for (const each of news) {
        const before = missing.get(each.id);
        const after = stillMissing(each);
        learnedChars += (before === undefined ? each.chars : charsOf(before)) - charsOf(after);
        missing.set(each.id, after);
      }
      return news.length > 0;
    },
    get learnedChars() {
      return learnedChars;
    },
    stop() {
      session.post('Profiler.stopPreciseCoverage');
      session.disconnect();
    },
  };
}

/** None when the function did not run. */
function runFunction(url: string, { ranges }: Profiler.FunctionCoverage): RunFunction[] {
  const [whole, ...blocks] = ranges;
  if (whole === undefined || whole.count === 0) return [];
  const missed = blocks
    .filter(({ count }) => count === 0)
    .map(({ startOffset, endOffset }) => ({ start: startOffset, end: endOffset }));
  const { startOffset, endOffset } = whole;
  return [{ id: `${url}:${startOffset}-${endOffset}`, chars: endOffset - startOffset, missed }];
}

function intersection(a: readonly Range[], b: readonly Range[]): Range[] {
  return a.flatMap(one =>
    b.flatMap(other => {
      const start = Math.max(one.start, other.start);
      const end = Math.min(one.end, other.end);
      return start < end ? [{ start, end }] : [];
    }),
  );
}

function charsOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}
