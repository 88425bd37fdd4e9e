import { type Cluster, startCluster } from './cluster.ts';
import { pageAt } from './compare.ts';
import { type Corpus, createCorpus } from './corpus.ts';

/** Reads of several rounds or pages, over all that the writer changes. */
const PATHS = [
  '/api/v1/summary?last=7d',
  '/api/v1/anomalies?last=1h&baseline=7d',
  '/api/v1/services',
  '/api/v1/traces?limit=1000',
  '/api/v1/evals/runs',
];
const COMMITS = 8;

export interface WritingOptions {
  readonly seed: number;
  readonly shardCount: number;
  /** Exports of each signal that are there before. */
  readonly exports: number;
}

/** An answer that no state of the data has: its rounds saw different ones. */
export interface MixedAnswer {
  readonly path: string;
  readonly text: string;
}

/**
 * A writer commits spans of one trace, which one shard owns, while reads run: each answer must be that of one shard after
 * some number of those commits.
 */
export async function readWhileWriting({
  seed,
  shardCount,
  exports,
}: WritingOptions): Promise<{ readonly answers: number; readonly mixed: readonly MixedAnswer[] }> {
  const corpus = createCorpus({ seed, exports, repeats: false });
  const writes = commitsOfOneTrace(createCorpus({ seed: seed + 1, exports: COMMITS, repeats: false }));
  const clusters = [await startCluster(1), await startCluster(shardCount)] as const;
  const [one, many] = clusters;
  try {
    for (const cluster of clusters) await cluster.load(corpus);
    const possible = await answersByCommit(one, writes);
    const mixed: MixedAnswer[] = [];
    let answers = 0;
    let isWriting = true;
    const reading = Promise.all(
      PATHS.map(async path => {
        while (isWriting) {
          const { text } = await pageAt(many, path);
          answers++;
          if (!possible.get(path)?.has(text)) mixed.push({ path, text });
        }
      }),
    );
    for (const write of writes) await many.send('traces', write);
    isWriting = false;
    await reading;
    return { answers, mixed };
  } finally {
    for (const cluster of clusters) await cluster.stop();
  }
}

type Export = Corpus['exports'][number]['json'];

function commitsOfOneTrace({ exports, traceIds }: Corpus): Export[] {
  const [traceId = ''] = traceIds;
  return exports
    .filter(({ signal }) => signal === 'traces')
    .map(({ json }) =>
      JSON.parse(JSON.stringify(json).replace(/"traceId":"[^"]*"/g, `"traceId":"${traceId}"`)),
    );
}

async function answersByCommit(
  one: Cluster,
  writes: readonly Export[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const possible = new Map(PATHS.map(path => [path, new Set<string>()]));
  const ask = async () => {
    for (const [path, texts] of possible) texts.add((await pageAt(one, path)).text);
  };
  await ask();
  for (const write of writes) {
    await one.send('traces', write);
    await ask();
  }
  return possible;
}
