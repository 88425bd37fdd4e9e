import { type Cluster, startCluster } from './cluster.ts';
import { compare, type Difference } from './compare.ts';
import { type Corpus, createCorpus, ended } from './corpus.ts';
import { createDice } from './dice.ts';
import { QUESTIONS } from './questions.ts';

export interface SuiteOptions {
  readonly seed: number;
  readonly cases: number;
  /** Numbers of shards that are compared with one. */
  readonly shardCounts: readonly number[];
  /** Exports of each signal. */
  readonly exports: number;
  /** Told after each case. */
  readonly onCase?: (done: number) => void;
}

export interface SuiteResult {
  readonly cases: number;
  /** Questions of each kind that were asked. */
  readonly asked: ReadonlyMap<string, number>;
  /** Kinds of which a question was answered with 200: equal refusals prove little. */
  readonly answered: ReadonlySet<string>;
  readonly differences: readonly Difference[];
}

/** More than one failure tells little more, and a wrong suite would print for ever. */
const MOST_DIFFERENCES = 5;

/** Loads the same data into one shard and into several, and asks the same questions of all. */
export async function runSuite(options: SuiteOptions): Promise<SuiteResult> {
  const corpus = createCorpus({ ...options, repeats: true });
  return withClusters(options.shardCounts, async (one, many) => {
    for (const cluster of [one, ...many]) await cluster.load(corpus);
    return askAll({ one, many, corpus }, options);
  });
}

/** The same, with one more shard from the middle of the data on. */
export async function runGrowingSuite(options: SuiteOptions): Promise<SuiteResult> {
  const { seed } = options;
  const before = createCorpus({ ...options, repeats: false });
  const after = createCorpus({ ...options, seed: seed + 1, repeats: false });
  // Traces that go on while the topology changes end up on two shards.
  const corpus = sharingTraces(before, after);
  return withClusters(options.shardCounts, async (one, many) => {
    for (const cluster of [one, ...many]) await cluster.load(before);
    for (const cluster of many) await cluster.grow();
    for (const cluster of [one, ...many]) await cluster.load(corpus);
    return askAll({ one, many, corpus: before }, options);
  });
}

/** The second corpus with the trace ids of the first, and runner spans of the first posted again. */
function sharingTraces(before: Corpus, after: Corpus): Corpus {
  const renamed = new Map(after.traceIds.map((id, index) => [id, before.traceIds[index] as string]));
  const text = JSON.stringify(after).replace(/[0-9a-f]{32}/g, id => renamed.get(id) ?? id);
  const corpus = JSON.parse(text) as Corpus;
  const again = before.runnerSpans.map(span => ended(span, 'error'));
  return { ...corpus, runnerSpans: [...corpus.runnerSpans, ...again] };
}

async function withClusters(
  shardCounts: readonly number[],
  work: (one: Cluster, many: readonly Cluster[]) => Promise<SuiteResult>,
): Promise<SuiteResult> {
  const clusters: Cluster[] = [];
  try {
    for (const count of [1, ...shardCounts]) clusters.push(await startCluster(count));
    const [one, ...many] = clusters as [Cluster, ...Cluster[]];
    return await work(one, many);
  } finally {
    for (const cluster of clusters) await cluster.stop();
  }
}

async function askAll(
  {
    one,
    many,
    corpus,
  }: { readonly one: Cluster; readonly many: readonly Cluster[]; readonly corpus: Corpus },
  { seed, cases, onCase }: SuiteOptions,
): Promise<SuiteResult> {
  const dice = createDice(seed ^ 0x5eed);
  const asked = new Map<string, number>();
  const answered = new Set<string>();
  const differences: Difference[] = [];
  for (let done = 0; done < cases && differences.length < MOST_DIFFERENCES; done++) {
    const question = QUESTIONS[done % QUESTIONS.length] as (typeof QUESTIONS)[number];
    const path = question.ask(dice, corpus);
    for (const cluster of many) {
      const { isAnswer, difference } = await compare(one, cluster, path);
      if (difference !== undefined) differences.push(difference);
      if (isAnswer) answered.add(question.name);
    }
    asked.set(question.name, (asked.get(question.name) ?? 0) + 1);
    onCase?.(done + 1);
  }
  return { cases, asked, answered, differences };
}
