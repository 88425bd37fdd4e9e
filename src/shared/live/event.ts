/** One Server-Sent Event as it goes over the wire. */
export interface LiveEvent {
  readonly bytes: Buffer;
  readonly rows: number;
}

export function rowsEvent(rows: readonly string[]): LiveEvent {
  return { bytes: Buffer.from(`data: [${rows.map(asciiJson).join(',')}]\n\n`, 'latin1'), rows: rows.length };
}

/**
 * An event out of the JSON text of its rows, as another feed gave it; `undefined` when it is not an array.
 */
export function passedOn(rowsJson: string): LiveEvent | undefined {
  try {
    const rows: unknown = JSON.parse(rowsJson);
    if (!Array.isArray(rows)) return undefined;
    return { bytes: Buffer.from(`data: ${asciiJson(rowsJson)}\n\n`, 'latin1'), rows: rows.length };
  } catch {
    return undefined;
  }
}

/** A comment that takes its turn among the events. */
export function commentEvent(text: string): LiveEvent {
  return { bytes: Buffer.from(comment(text), 'latin1'), rows: 0 };
}

/** A comment; clients skip it. The text is one line of ASCII. */
export function comment(text: string): string {
  return text === '' ? ':\n\n' : `: ${text}\n\n`;
}

/** Clients decode each network chunk by itself, which would tear a character of several bytes (contract §1.1). */
function asciiJson(json: string): string {
  return json.replace(/[\u0080-\uffff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
