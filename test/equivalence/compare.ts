import type { Cluster } from './cluster.ts';

/** Two clusters that hold the same data gave different answers to the same question. */
export interface Difference {
  readonly path: string;
  readonly shardCount: number;
  readonly expected: string;
  readonly actual: string;
}

const CONTEXT_CHARS = 200;

/** Asks both; their answers must agree byte for byte, but for the member that counts the shards. */
export async function compare(one: Cluster, many: Cluster, path: string): Promise<Difference | undefined> {
  const [expected, actual] = await Promise.all([answerOf(one, path), answerOf(many, path)]);
  if (expected === actual) return undefined;
  const at = firstDifference(expected, actual);
  return {
    path,
    shardCount: many.shardCount,
    expected: excerpt(expected, at),
    actual: excerpt(actual, at),
  };
}

/** Status and body; an answer that a shard is missing from is an error here, for nothing was ended. */
async function answerOf(cluster: Cluster, path: string): Promise<string> {
  const { status, text } = await cluster.get(path);
  if (text.includes('"partial":true'))
    throw new Error(`${path}: not every shard answered: ${text.slice(-500)}`);
  return `${status} ${text.replace(/"shards":\{"total":\d+,"ok":\d+,"failed":\[\]\}/, '"shards":…')}`;
}

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}

function excerpt(text: string, at: number): string {
  return text.slice(Math.max(0, at - CONTEXT_CHARS), at + CONTEXT_CHARS);
}

export function describeDifference({ path, shardCount, expected, actual }: Difference): string {
  return `GET ${path}\n  1 shard:  ${expected}\n  ${shardCount} shards: ${actual}`;
}
