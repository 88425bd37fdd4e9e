import {
  BATCH_ID_HEADER,
  CUT_FROM_HEADER,
  decodeSlices,
  SLICE_CUT_FROM_HEADER,
  SLICES_HEADER,
} from '../shared/otlp/batch-header.ts';
import {
  type ExportHandler,
  type ExportOutcome,
  type ExportRequest,
  type Refusal,
  refuse,
} from '../shared/otlp/door.ts';
import type { TimeSlices } from '../shared/time-slices.ts';
import type { DecodeInSteps } from './decode/decoder.ts';
import type { RecordBatch, SliceRecords } from './store/record-batch.ts';
import type { WriteOutcome, Writer } from './store/writer.ts';

const RETRY_AFTER_MS = 1_000;
const BATCH_ID_FORM = /^[A-Za-z0-9._:-]{1,128}$/;

/**
 * Takes what arrives at the shard's OTLP doors. A batch names itself and its slices in headers (see `batch-header`);
 * plain OTLP without them is stored as it comes, repeats included. Accepted means committed and synced.
 */
export function createShardExportHandler({
  decode,
  slices,
  writer,
}: {
  decode: DecodeInSteps;
  slices: TimeSlices;
  writer: Pick<Writer, 'write'>;
}): ExportHandler {
  return async request => {
    const envelope = readEnvelope(request);
    if ('kind' in envelope) return envelope;
    const decoding: Decoding = { decode, envelope, rejections: new Map(), releases: [] };
    try {
      const batch = await slices.run(decodeBatch(request, decoding));
      return 'kind' in batch ? batch : answerTo(await writer.write(batch), request, decoding);
    } finally {
      // Whatever came of them, nobody looks at the records any more.
      for (const release of decoding.releases) release();
    }
  };
}

function answerTo(
  outcome: WriteOutcome,
  { warnings }: ExportRequest,
  { rejections }: Decoding,
): ExportOutcome {
  switch (outcome.kind) {
    case 'stored':
      return {
        kind: 'accepted',
        rejected: sum(rejections.values()),
        message: messageOf(rejections, warnings),
      };
    case 'partly stored':
      return refuse('partlyStored', outcome.reason);
    case 'failed':
      return refuse('unavailable', `the shard could not store the data: ${outcome.reason}`, RETRY_AFTER_MS);
    case 'unknown':
      return refuse(
        'unavailable',
        `the shard cannot tell yet whether it stored the data: ${outcome.reason}`,
        RETRY_AFTER_MS,
      );
    default:
      return outcome satisfies never;
  }
}

interface Envelope {
  readonly batchId: string | undefined;
  readonly cutFrom?: readonly string[] | undefined;
  /** In body order. */
  readonly slices: readonly (Pick<SliceRecords, 'exportId' | 'cutFrom'> & { readonly sizeBytes: number })[];
}

function readEnvelope({ body, header }: ExportRequest): Envelope | Refusal {
  const batchId = header(BATCH_ID_HEADER);
  const slicesHeader = header(SLICES_HEADER);
  if (batchId === undefined && slicesHeader === undefined) {
    return { batchId, slices: [{ exportId: undefined, sizeBytes: body.length }] };
  }
  if (batchId === undefined || slicesHeader === undefined) {
    return refuse('malformed', `${BATCH_ID_HEADER} and ${SLICES_HEADER} go together; only one was given`);
  }
  if (!BATCH_ID_FORM.test(batchId)) {
    return refuse(
      'malformed',
      `${BATCH_ID_HEADER} "${batchId.slice(0, 200)}" is not 1 to 128 of A-Z a-z 0-9 . _ : -`,
    );
  }
  const slices = decodeSlices(slicesHeader, body.length);
  if (typeof slices === 'string') return refuse('malformed', slices);
  const cutFrom = header(CUT_FROM_HEADER)?.split(',');
  const sliceCutFrom = header(SLICE_CUT_FROM_HEADER)?.split(',');
  if (sliceCutFrom !== undefined && slices.length > 1) {
    return refuse('malformed', `${SLICE_CUT_FROM_HEADER} is about one slice; the batch has ${slices.length}`);
  }
  return { batchId, cutFrom, slices: slices.map(slice => ({ ...slice, cutFrom: sliceCutFrom })) };
}

interface Decoding {
  readonly decode: DecodeInSteps;
  readonly envelope: Envelope;
  /** Filled with how many records were rejected, by reason. */
  readonly rejections: Map<string, number>;
  /** Filled with what gives the memory of the records back. */
  readonly releases: (() => void)[];
}

/** Slice by slice, because a repeat leaves out a single one. */
function* decodeBatch(
  { signal, body }: ExportRequest,
  { decode, envelope, rejections, releases }: Decoding,
): Generator<undefined, RecordBatch | Refusal, undefined> {
  const slices: SliceRecords[] = [];
  let at = 0;
  for (const { exportId, cutFrom, sizeBytes } of envelope.slices) {
    const decoded = yield* decode(signal, body.subarray(at, at + sizeBytes));
    if (decoded.kind === 'malformed') {
      const which = exportId === undefined ? 'body' : `slice of export ${exportId}`;
      return refuse('malformed', `${which} is not a valid OTLP ${signal} request: ${decoded.reason}`);
    }
    releases.push(decoded.release);
    for (const [reason, count] of decoded.rejections)
      rejections.set(reason, (rejections.get(reason) ?? 0) + count);
    slices.push({ exportId, cutFrom, records: decoded.records });
    at += sizeBytes;
  }
  return { id: envelope.batchId, cutFrom: envelope.cutFrom, slices };
}

function messageOf(rejections: ReadonlyMap<string, number>, warnings: readonly string[]): string {
  return [...[...rejections].map(([reason, count]) => `${count} × ${reason}`), ...warnings].join('; ');
}

function sum(counts: Iterable<number>): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}
