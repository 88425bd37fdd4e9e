/** Ids as the read API shows them: hex digits, `''` for none. */
export function traceIdText(id: bigint): string {
  return id === 0n ? '' : id.toString(16).padStart(32, '0');
}

export function spanIdText(id: bigint): string {
  return id === 0n ? '' : id.toString(16).padStart(16, '0');
}

/** Hex digits as a JSON text, none as `null`. */
export function idJson(text: string): string {
  return text === '' ? 'null' : `"${text}"`;
}

/** A tie as part of a sort key. */
export function tieText(tie: bigint): string {
  return tie.toString(16).padStart(16, '0');
}
