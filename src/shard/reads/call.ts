import {
  type ParsedShardRead,
  SHARD_READS,
  type ShardReadName,
  SNAPSHOT_REQUEST,
} from '../../shared/read/contract.ts';

/** A read with its parsed request. */
export type ReadCall = {
  [N in ShardReadName]: { readonly name: N; readonly request: ParsedShardRead<N> };
}[ShardReadName];

/** Reads that see one state of the shard. */
export interface SnapshotCall {
  /** The commit to read at; `undefined` for the last one. */
  readonly asOf: bigint | undefined;
  readonly calls: readonly ReadCall[];
  /** Most bytes of the rows of each; absent for as many as the shard gives. */
  readonly maxBytes?: number | undefined;
}

export type Parsed<T> =
  | { readonly kind: 'parsed'; readonly value: T }
  | { readonly kind: 'refused'; readonly status: 400 | 404; readonly message: string };

export function parseRead(name: string, body: unknown): Parsed<SnapshotCall> {
  const call = parseCall(name, body);
  if (call.kind === 'refused') return call;
  return { kind: 'parsed', value: { asOf: commitOf(call.value.request.asOf), calls: [call.value] } };
}

export function parseSnapshot(body: unknown): Parsed<SnapshotCall> {
  const parsed = SNAPSHOT_REQUEST.safeParse(body);
  if (!parsed.success) return refused(parsed.error);
  const calls: ReadCall[] = [];
  for (const [index, { name, request }] of parsed.data.reads.entries()) {
    const call = parseCall(name, request);
    if (call.kind === 'refused') return { ...call, message: `reads.${index}: ${call.message}` };
    calls.push(call.value);
  }
  return { kind: 'parsed', value: { asOf: commitOf(parsed.data.asOf), calls } };
}

function parseCall(name: string, body: unknown): Parsed<ReadCall> {
  if (!Object.hasOwn(SHARD_READS, name)) {
    return { kind: 'refused', status: 404, message: `no read is called ${name}` };
  }
  const parsed = SHARD_READS[name as ShardReadName].safeParse(body);
  if (!parsed.success) return refused(parsed.error);
  return { kind: 'parsed', value: { name, request: parsed.data } as ReadCall };
}

interface Issues {
  readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
}

function refused({ issues }: Issues): Parsed<never> {
  const [issue] = issues;
  const where = issue?.path.map(String).join('.') || 'request';
  return { kind: 'refused', status: 400, message: `${where}: ${issue?.message}` };
}

function commitOf(digits: string | undefined): bigint | undefined {
  return digits === undefined ? undefined : BigInt(digits);
}
