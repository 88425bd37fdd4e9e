/** One Server-Sent Event as it goes over the wire. */
export interface LiveEvent {
  readonly bytes: Buffer;
  readonly rows: number;
}

export function rowsEvent(rows: readonly string[]): LiveEvent {
  return { bytes: Buffer.from(`data: [${rows.map(asciiJson).join(',')}]\n\n`, 'latin1'), rows: rows.length };
}

/** A comment; clients skip it. */
export function comment(text: string): string {
  return text === '' ? ':\n\n' : `: ${text}\n\n`;
}

/** Clients decode each network chunk by itself, which would tear a character of several bytes (contract §1.1). */
function asciiJson(json: string): string {
  return json.replace(/[\u0080-\uffff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
