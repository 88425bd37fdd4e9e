import protobuf from 'protobufjs';

/** Records that a shard refused for good out of a batch that it took, and why, in its words. */
export interface RefusedRecords {
  readonly records: number;
  readonly message: string;
}

/** `Export*ServiceResponse`, which has the same fields for every signal (OTLP specification, "Partial Success"). */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message ExportResponse { PartialSuccess partial_success = 1; }
  message PartialSuccess { int64 rejected = 1; string error_message = 2; }
`);
const ExportResponse = root.lookupType('ExportResponse');

/** `undefined` when it took all of them, if with a warning, and when the answer is not one of OTLP in protobuf. */
export function refusedIn(answer: Buffer): RefusedRecords | undefined {
  if (answer.length === 0) return undefined;
  const { rejected = 0, errorMessage = '' } = partialSuccessOf(answer);
  return rejected > 0 ? { records: rejected, message: errorMessage } : undefined;
}

function partialSuccessOf(answer: Buffer): { readonly rejected?: number; readonly errorMessage?: string } {
  try {
    const { partialSuccess } = ExportResponse.toObject(ExportResponse.decode(answer), { longs: Number });
    return partialSuccess ?? {};
  } catch {
    return {};
  }
}
