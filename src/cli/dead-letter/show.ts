import type { Batch } from '../../ingest/queue/batch.ts';
import type { BatchQueue, DeadLetter } from '../../ingest/queue/batch-queue.ts';
import { otlpJson } from '../../shard/decode/otlp-json.ts';
import { createOtlpTypes } from '../../shared/otlp/messages.ts';
import { EXIT, UserError } from '../exit-codes.ts';
import { printable } from '../table.ts';
import { write } from '../write.ts';
import { type DeadLetterFilter, visitDeadLetters } from './filter.ts';
import { jsonOf } from './list.ts';
import { DEAD_LETTER_EXIT, type DeadLetterTaskInput, type WithQueue } from './task.ts';

/** `otelfan dead-letter show ID`: what it is, why it is there, and what is in it. */
export function showDeadLetter(
  { parsed, filter, word: id, io }: DeadLetterTaskInput,
  withQueue: WithQueue,
): Promise<number> {
  if (id === undefined) throw new UserError('dead-letter show needs the ID of a batch', EXIT.usage);
  return withQueue(async (queue, shards) => {
    const letter = await find(queue, { id, shards, filter });
    if (letter === undefined) throw new UserError(`there is no dead letter ${id}`, DEAD_LETTER_EXIT.nothing);
    const batch = await queue.deadLetterBatch(letter);
    if (batch === undefined) {
      throw new UserError(`dead letter ${id} was replayed or purged just now`, DEAD_LETTER_EXIT.nothing);
    }
    if (parsed.isSet('raw')) {
      if (typeof batch === 'string') throw new UserError(`the content of ${id} cannot be read: ${batch}`);
      await write(io.stdout, batch.payload);
      return EXIT.ok;
    }
    const content = typeof batch === 'string' ? batch : contentOf(batch);
    const asJson = parsed.isSet('json') || !io.isTty;
    await write(io.stdout, asJson ? asJsonText(letter, batch, content) : asText(letter, batch, content));
    if (typeof content !== 'string') return EXIT.ok;
    throw new UserError(`the content of ${id} cannot be read: ${content}`);
  });
}

/** An id names one batch of a shard; where several shards have it, the first is shown, and `--shard` tells which. */
async function find(
  queue: BatchQueue,
  { id, shards, filter }: { id: string; shards: readonly string[]; filter: DeadLetterFilter },
): Promise<DeadLetter | undefined> {
  for (const shard of filter.shards.length > 0 ? filter.shards : shards) {
    if ((await queue.deadLetterBatch({ shard, id })) === undefined) continue;
    let found: DeadLetter | undefined;
    const byId = { ...filter, shards: [shard], matches: (letter: DeadLetter) => letter.id === id };
    await visitDeadLetters(queue, { shards, filter: byId }, ([letter]) => {
      found = letter;
      return Promise.resolve('enough');
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The content in OTLP/JSON, or why it cannot be told. */
function contentOf({ signal, payload }: Batch): object | string {
  try {
    return otlpJson(createOtlpTypes().request(signal).decode(payload));
  } catch (error) {
    return `not a valid OTLP ${signal} request: ${(error as Error).message}`;
  }
}

function headerOf(letter: DeadLetter, batch: Batch | string): object {
  if (typeof batch === 'string') return jsonOf(letter);
  const { topologyVersion, slices } = batch;
  return { ...jsonOf(letter), topologyVersion, slices };
}

function asJsonText(letter: DeadLetter, batch: Batch | string, content: object | string): string {
  const known = typeof content === 'string' ? { contentError: content } : { content };
  return `${JSON.stringify({ ...headerOf(letter, batch), ...known }, null, 2)}\n`;
}

function asText(letter: DeadLetter, batch: Batch | string, content: object | string): string {
  const lines = Object.entries(headerOf(letter, batch)).map(([name, value]) =>
    Array.isArray(value) ? `${name}: ${value.length}` : `${name}: ${printable(String(value))}`,
  );
  const body = typeof content === 'string' ? '' : `\n${JSON.stringify(content, null, 2)}\n`;
  return `${lines.join('\n')}\n${body}`;
}
