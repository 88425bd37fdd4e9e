/** Mean of it; by this logs name traces of their own time. */
export const SPANS_PER_TRACE = 8;
const MOST_SPANS_PER_TRACE = 4096;

/** The id of the n-th trace: logs name the same traces as spans do, without asking them. */
export function writeTraceId(target: Buffer, at: number, trace: number): void {
  for (let word = 0; word < 4; word++) target.writeUInt32LE(mix(4 * (trace + 1) + word), at + 4 * word);
}

/** The id of the n-th span of a trace. */
export function writeSpanId(target: Buffer, at: number, trace: number, span: number): void {
  const number = MOST_SPANS_PER_TRACE * (trace + 1) + span;
  target.writeUInt32LE(mix(number), at);
  target.writeUInt32LE(mix(number ^ 0x5bd1_e995), at + 4);
}

export function traceIdText(trace: number): string {
  const bytes = Buffer.alloc(16);
  writeTraceId(bytes, 0, trace);
  return bytes.toString('hex');
}

/** The finalizer of MurmurHash3: neighbours have nothing in common. */
function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85eb_ca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
