import type { Cluster } from './cluster.ts';

/** Two clusters that hold the same data gave different answers to the same question. */
export interface Difference {
  readonly path: string;
  readonly shardCount: number;
  readonly expected: string;
  readonly actual: string;
}

const CONTEXT_CHARS = 200;

/** How many pages of an answer are looked at, the first included. */
const MOST_PAGES = 4;

export interface Comparison {
  /** Whether the first answer was one, and not a refusal. */
  readonly isAnswer: boolean;
  readonly difference: Difference | undefined;
}

/**
 * Asks both, and follows the cursors of both for some pages; their answers must agree byte for byte, but for the member
 * that counts the shards and the text of the cursor.
 */
export async function compare(one: Cluster, many: Cluster, path: string): Promise<Comparison> {
  const first = await Promise.all([pageAt(one, path), pageAt(many, path)]);
  const isAnswer = first[0].status === 200;
  let pages: readonly [Page, Page] = first;
  for (let page = 1; ; page++) {
    const [expected, actual] = pages;
    if (expected.text !== actual.text) return { isAnswer, difference: differenceOf(many, path, pages) };
    if (expected.next === undefined || actual.next === undefined || page === MOST_PAGES) break;
    pages = await Promise.all([
      pageAt(one, goOn(path, expected.next)),
      pageAt(many, goOn(path, actual.next)),
    ]);
  }
  return { isAnswer, difference: undefined };
}

interface Page {
  readonly status: number;
  readonly text: string;
  readonly next: string | undefined;
}

/** Status and body; an answer that a shard is missing from is an error here, for nothing was ended. */
export async function pageAt(cluster: Cluster, path: string): Promise<Page> {
  const { status, text } = await cluster.get(path);
  if (text.includes('"partial":true'))
    throw new Error(`${path}: not every shard answered: ${text.slice(-500)}`);
  const next = /"next_cursor":"([^"]*)"/.exec(text)?.[1];
  const shown = text
    .replace(/"shards":\{"total":\d+,"ok":\d+,"failed":\[\]\}/, '"shards":…')
    .replace(/"next_cursor":"[^"]*"/, '"next_cursor":…');
  return { status, text: `${status} ${shown}`, next };
}

function goOn(path: string, cursor: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}cursor=${cursor}`;
}

function differenceOf(
  { shardCount }: Cluster,
  path: string,
  [{ text: expected }, { text: actual }]: readonly [Page, Page],
): Difference {
  const at = firstDifference(expected, actual);
  return { path, shardCount, expected: excerpt(expected, at), actual: excerpt(actual, at) };
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
