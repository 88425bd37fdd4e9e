import type { QueueKind } from './site.ts';

/** One thing that keeps records from being lost, doubled or silently left out, and how to do without it. */
export interface Safeguard {
  readonly name: string;
  /** Below the root of the repository. */
  readonly file: string;
  /** Text that is there once, and what to put in its place. */
  readonly text: string;
  readonly without: string;
  /** Scenarios of which one has to go wrong then, on each queue. */
  readonly shownBy: readonly string[];
  /** Where there is such a thing; by default on both. */
  readonly queue?: QueueKind;
}

/** Switched off one by one: the oracle has to notice every time. */
export const SAFEGUARDS: readonly Safeguard[] = [
  {
    name: 'ack-after-enqueue',
    file: 'src/ingest/batcher.ts',
    text: 'const first = await this.#enqueue(batches);',
    without:
      "answerAll(group, { kind: 'stored', isLetGo: false }); const first = await this.#enqueue(batches);",
    shownBy: ['kill -9: ingest', 'Redis killed'],
  },
  {
    name: 'batch-id-dedupe',
    file: 'src/shard/store/repeats.ts',
    text: "const seen = name === undefined ? 'nothing' : ids.seen(name);",
    without: "const seen: string = 'nothing';",
    shownBy: ['shard stores a batch, and its answer is lost'],
  },
  {
    name: 'slice-dedupe',
    file: 'src/shard/store/repeats.ts',
    text: "if (seenOf(slice) === 'all') continue;",
    without: '',
    shownBy: ['senders repeat within the repeat window'],
  },
  {
    name: 'split-before-queue',
    file: 'src/ingest/receiver.ts',
    text: 'const shardOf = (key: Uint8Array) => topology.owners[hash.slot(key)] as number;',
    without:
      'let owner: number | undefined; const shardOf = (key: Uint8Array) => (owner ??= topology.owners[hash.slot(key)] as number);',
    shownBy: ['senders repeat within the repeat window'],
  },
  {
    name: 'completeness-marking',
    file: 'src/query/completeness.ts',
    text: ".filter(slot => slot.kind !== 'answered')",
    without: '.filter((slot): slot is never => false)',
    shownBy: ['kill -9: shard'],
  },
  {
    name: 'queue-fsync',
    file: 'src/ingest/queue/lmdb-file.ts',
    text: 'overlappingSync: false,',
    without: 'overlappingSync: false, noSync: true,',
    shownBy: ['power cut of the whole machine'],
    // Of Redis it is a setting, `appendfsync`.
    queue: 'lmdb',
  },
];
