import type { FetchEnd } from './fetch-rows.ts';

/* Why figures or rows of a tael-server are not exact, as the answer says it. */

/** Of rows that are not all that match; `undefined` when they are. */
export function cutReason(
  { cutBy, read, unreadable }: FetchEnd,
  {
    shardId,
    what,
    isNewestFirst,
  }: { readonly shardId: string; readonly what: string; readonly isNewestFirst: boolean },
): string | undefined {
  if (cutBy !== undefined) {
    const setting = { most: 'query.taelRowCap', bytes: 'query.maxShardAnswerBytes' }[cutBy];
    const which = isNewestFirst ? 'the newest of them' : 'some of them, not the newest,';
    return `${server(shardId)} has more than ${read} ${what} to go through (${setting}): ${which} were`;
  }
  return unreadable === 0
    ? undefined
    : `${server(shardId)} sent ${unreadable} ${what} without an id or a time, which are left out`;
}

/** Of figures that it has computed itself, because the rows to compute them from are too many. */
export function ownFiguresReason(shardId: string, of: string): string {
  return `${server(shardId)} has more spans than are gone through (query.taelRowCap): its own figures are taken, ${of}`;
}

export function ownSearchReason(shardId: string): string {
  return `${server(shardId)} searches by its own rules: all words in one text, which may also be an attribute or a log body, and the best 1000 matches only`;
}

/** Of log records that are looked for by their bodies, those that it keeps as blobs among them (contract §2.4). */
export function largeBodiesReason(shardId: string): string {
  return `${server(shardId)} does not show log bodies of more than 8 KiB: they are not looked into`;
}

/** Of a list of comments that has as many as there can be. */
export function mostCommentsReason(shardId: string, most: number): string {
  return `${server(shardId)} lists no more than its newest ${most} comments`;
}

function server(shardId: string): string {
  return `${shardId}, a tael-server,`;
}
