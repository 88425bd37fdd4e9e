import type { Logger } from 'pino';
import { type Component, once } from '../../shared/lifecycle.ts';
import type { Clock } from '../../shared/time.ts';
import { openBackground } from './background.ts';
import { sizeOf, walOf } from './data-folder.ts';
import type { Database } from './database.ts';
import type { DiskReserve } from './disk-reserve.ts';
import { forgetAnswers } from './kept-answers.ts';
import { type RetentionLimits, retentionStep } from './retention.ts';
import { forgetIds } from './seen-ids.ts';
import { sweepSources } from './sweep-sources.ts';
import type { Writer } from './writer.ts';

/** What a shard does for its data besides storing it: retention, checkpoints, watching the disk, and mending itself. */
export interface Maintenance extends Component {
  /** Why writes are refused, as of the last look; `undefined` while there is room. */
  refusal(): string | undefined;
  /** Rounds that failed since it was started. */
  failedRounds(): number;
  /** When retention last came to its end; before the first time, when this was started. */
  retainedAtMs(): number;
}

export interface MaintenanceOptions {
  readonly database: Database;
  readonly writer: Writer;
  readonly reserve: DiskReserve;
  readonly limits: RetentionLimits;
  /** How long a batch id is remembered. */
  readonly batchMemoryMs: number;
  readonly repeatWindowMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often the disk is looked at. */
  readonly lookEveryMs?: number;
  readonly retainEveryMs?: number;
  /** How long reads may be held for a checkpoint, and how long one has to be open to be not waited for. */
  readonly holdReadsMs?: number;
}

const LOOK_EVERY_MS = 1000;
const RETAIN_EVERY_MS = 10_000;
const FORGET_EVERY_MS = 60_000;
const SWEEP_EVERY_MS = 3_600_000;
/*
 * While reads overlap DuckDB puts checkpoints off after an update. From so many times its threshold on we make it a
 * moment without reads. Where long reads leave none, the WAL grows to the second mark, and by what is stored until the
 * next look. Then the checkpoint is forced: it waits for the reads that are open, and whatever else is asked of the
 * database waits for it. The mark is not higher because all that is in the WAL is in memory as well.
 */
const TRIED_AT = 1.25;
const FORCED_AT = 2;
/**
 * Reads are held for so long at most, and not again for a while: most of the time they run. None is held for the sake
 * of one that has been open as long already.
 */
const HOLD_READS_MS = 2000;
const HOLD_EVERY_MS = 10_000;

export async function createMaintenance(options: MaintenanceOptions): Promise<Maintenance> {
  const { database, writer, reserve, clock, logger } = options;
  const {
    lookEveryMs = LOOK_EVERY_MS,
    retainEveryMs = RETAIN_EVERY_MS,
    holdReadsMs = HOLD_READS_MS,
  } = options;
  let refusal: string | undefined;
  let failedRounds = 0;
  let retainedAtMs = clock.now();
  let retainingSinceMs = Number.NEGATIVE_INFINITY;
  let forgotAtMs = Number.NEGATIVE_INFINITY;
  let heldAtMs = Number.NEGATIVE_INFINITY;
  let holding: Promise<void> = Promise.resolve();
  let sweptAtMs = clock.now();
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;

  async function round(): Promise<void> {
    await watchDisk();
    if (writer.fatalFailure() !== undefined || !(await database.answers())) await mend();
    await checkpointIfLarge();
    if (isDue(forgotAtMs, FORGET_EVERY_MS)) {
      forgotAtMs = clock.now();
      await forget();
    }
    if (isDue(retainingSinceMs, retainEveryMs)) {
      retainingSinceMs = clock.now();
      if (await retain()) await checkpoint('CHECKPOINT');
      retainedAtMs = clock.now();
    }
    if (isDue(sweptAtMs, SWEEP_EVERY_MS)) {
      sweptAtMs = clock.now();
      const sources = await sweepSources({ database, writer });
      if (sources > 0) logger.info({ sources }, 'deleted resources and scopes that no record names');
    }
  }

  async function watchDisk(): Promise<void> {
    const before = refusal;
    refusal = await reserve.refusal();
    if (refusal === undefined) {
      if (before !== undefined) logger.info('there is room on the disk again; writes are taken');
      return;
    }
    if (before === undefined) logger.error({ reason: refusal }, 'writes are refused; reads go on');
    await checkpoint('CHECKPOINT');
  }

  async function mend(): Promise<void> {
    await writer.recover({ withCheckpoint: refusal === undefined && (await reserve.mayCheckpoint()) });
    if (writer.fatalFailure() === undefined) logger.info('the database takes writes again');
  }

  async function forget(): Promise<void> {
    const nowMs = clock.now();
    await writer.exclusively(async connection => {
      await forgetIds(connection, 'batch_ids', nowMs - options.batchMemoryMs);
      await forgetAnswers(connection, nowMs - options.batchMemoryMs);
      await forgetIds(connection, 'export_ids', nowMs - options.repeatWindowMs);
      return { result: undefined };
    });
  }

  async function checkpointIfLarge(): Promise<void> {
    const size = (await sizeOf(walOf(database.path))) / database.checkpointBytes;
    if (size >= FORCED_AT) await checkpoint('FORCE CHECKPOINT');
    else if (size >= TRIED_AT && isDue(heldAtMs, HOLD_EVERY_MS) && database.longestReadMs() < holdReadsMs) {
      heldAtMs = clock.now();
      // Not waited for: the WAL may reach the second mark meanwhile.
      holding = database
        .betweenReads(holdReadsMs, () => checkpoint('CHECKPOINT'))
        .then(
          () => undefined,
          (error: unknown) => logger.error({ err: error }, 'no checkpoint was taken between reads'),
        );
    }
  }

  async function checkpoint(sql: 'CHECKPOINT' | 'FORCE CHECKPOINT'): Promise<boolean> {
    if (!(await reserve.mayCheckpoint())) return false;
    try {
      await writer.exclusively(async connection => {
        const background = await openBackground(connection, database.longestReadMs);
        await background.run(await connection.prepare(sql));
        return { result: undefined };
      });
      return true;
    } catch (error) {
      // Overlapping reads put it off.
      logger.debug({ err: error }, 'no checkpoint was taken');
      return false;
    }
  }

  /** Whether something was deleted. */
  async function retain(): Promise<boolean> {
    const startMs = clock.now();
    let commits = 0;
    let rows = 0;
    while (!isStopped) {
      const step = await writer.exclusively(async connection => ({
        result: await retentionStep(connection, options.limits, startMs),
      }));
      if (step.commits === 0) break;
      commits += step.commits;
      rows += step.rows;
    }
    if (commits > 0) logger.info({ commits, rows }, 'deleted what was past its retention');
    return commits > 0;
  }

  /** A clock that was set back does not put off what is due. */
  function isDue(sinceMs: number, everyMs: number): boolean {
    const ageMs = clock.now() - sinceMs;
    return ageMs < 0 || ageMs >= everyMs;
  }

  let running: Promise<void> = Promise.resolve();
  function schedule(): void {
    timer = setTimeout(() => {
      running = round()
        .catch((error: unknown) => {
          failedRounds += 1;
          logger.error({ err: error }, 'maintenance failed; it is tried again');
        })
        .finally(() => {
          if (!isStopped) schedule();
        });
    }, lookEveryMs);
  }

  refusal = await reserve.refusal();
  if (refusal !== undefined) logger.error({ reason: refusal }, 'writes are refused; reads go on');
  schedule();
  return {
    refusal: () => refusal,
    failedRounds: () => failedRounds,
    retainedAtMs: () => retainedAtMs,
    stop: once(async () => {
      isStopped = true;
      clearTimeout(timer);
      await running;
      await holding;
    }),
  };
}
