import { createPartition } from '../../ingest/partition/partition.ts';
import { type RerouteOutcome, type RerouteProgress, rerouteShard } from '../../ingest/reroute.ts';
import { POSITIVE_DURATION_FORMS, parsePositiveDurationMs } from '../../shared/config/units.ts';
import { createOtlpTypes } from '../../shared/otlp/messages.ts';
import { steadyClock } from '../../shared/time.ts';
import { withExistingQueue } from '../compose/existing-queue.ts';
import { EXIT, UserError } from '../exit-codes.ts';
import { bytesText, countText } from '../human.ts';
import { createProgress } from '../progress.ts';
import { createLogger } from '../serve.ts';
import { TOPOLOGY_EXIT, type TopologyTaskInput } from './task.ts';

const DEFAULT_WAIT = '1m';

/** `otelfan topology reroute SHARD`: gives its undelivered batches to the owners of today. */
export async function rerouteBatches(input: TopologyTaskInput): Promise<number> {
  const { parsed, config, hash, io, word: shard } = input;
  const { topology } = input.known;
  if (shard === undefined) throw new UserError('topology reroute needs the id of a SHARD', EXIT.usage);
  if (topology.active.some(({ id }) => id === shard)) {
    throw new UserError(
      `shard ${shard} is active: its batches are where they belong. Make it draining, or leave it out, first`,
      EXIT.usage,
    );
  }
  const patienceMs = waitMs(parsed.text('wait') ?? DEFAULT_WAIT);
  const progress = createProgress({ stderr: io.stderr, clock: steadyClock });
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop);
  const shards = topology.all.map(({ id }) => id);
  const parts = { config, shards, logger: createLogger('error', 'topology') };
  const outcome = await withExistingQueue(parts, async (queue, lanes) => {
    if (!lanes.includes(shard)) {
      throw new UserError(`the queue never had a batch for a shard ${shard}; it had for ${lanes.join(', ')}`);
    }
    const { batches: total } = await queue.stats(shard);
    return rerouteShard({
      queue,
      shard,
      topology,
      hash,
      partition: createPartition(createOtlpTypes()),
      clock: steadyClock,
      patienceMs,
      signal: stopping.signal,
      onProgress: ({ batches, sizeBytes }) =>
        progress.update(`re-routed ${batches} of ${countText(total, 'batch')}, ${bytesText(sizeBytes)}`),
    });
  }).finally(() => {
    progress.clear();
    process.off('SIGINT', stop);
  });
  io.stdout.write(parsed.isSet('json') ? asJson(outcome) : asText(outcome, shard));
  return outcome.kind === 'done' ? EXIT.ok : TOPOLOGY_EXIT.notAll;
}

function waitMs(text: string): number {
  const ms = parsePositiveDurationMs(text);
  if (ms === undefined)
    throw new UserError(`--wait ${text}: expected ${POSITIVE_DURATION_FORMS}`, EXIT.usage);
  return ms;
}

function asJson({ recordsTo, ...outcome }: RerouteOutcome): string {
  return `${JSON.stringify({ ...outcome, recordsTo: Object.fromEntries(recordsTo) }, null, 2)}\n`;
}

function asText(outcome: RerouteOutcome, shard: string): string {
  const lines = [movedText(outcome, shard)];
  if (outcome.deadBatches > 0) {
    lines.push(
      `${countText(outcome.deadBatches, 'batch')} could not be cut: otelfan dead-letter list --shard ${shard}`,
    );
  }
  const left = `${countText(outcome.batchesLeft, 'batch')} left`;
  switch (outcome.kind) {
    case 'done':
      break;
    case 'aborted':
      lines.push(`Stopped with ${left}; the same command goes on with them.`);
      break;
    case 'out of patience':
      lines.push(
        `${left}, which somebody else holds or which rest after a failure; the same command goes on with them.`,
      );
      break;
    case 'refused':
      lines.push(`Stopped with ${left}: ${outcome.reason}`);
      break;
  }
  return lines.map(line => `${line}\n`).join('');
}

function movedText({ batches, records, sizeBytes, recordsTo }: RerouteProgress, shard: string): string {
  if (batches === 0) return `Nothing of shard ${shard} was re-routed.`;
  const targets = [...recordsTo].map(([to, count]) => `${to} ${count}`).join(', ');
  return `Re-routed ${countText(batches, 'batch')} of shard ${shard} with ${countText(records, 'record')} (${bytesText(sizeBytes)}): ${targets}`;
}
