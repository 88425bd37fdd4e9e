/** As the outcome of a call: the snapshot is gone, the question is at fault, or the shard is. */
interface Refusal {
  readonly kind: 'gone' | 'refused' | 'failed';
  readonly reason: string;
}

/** Enough to tell what somebody else's page is. */
const MAX_REASON_CHARS = 300;
const OTHER_VERSION = /^read API (\S+) was asked for; this shard speaks (\S+)$/;

/** What a status other than 200 means. A shard explains itself as `{"error": "…"}`; anything else is quoted as it is. */
export function refusalOf(statusCode: number, text: string): Refusal {
  const whole = errorMember(text) ?? text.trim();
  const said = whole.slice(0, MAX_REASON_CHARS);
  const explained = said === '' ? `answered ${statusCode}` : said;
  switch (statusCode) {
    case 410:
      return { kind: 'gone', reason: explained };
    case 400:
      // Whoever asked needs all of it.
      return { kind: 'refused', reason: whole || explained };
    case 429:
    case 503:
      return { kind: 'failed', reason: `shard unavailable: ${explained}` };
    default:
      return { kind: 'failed', reason: otherVersion(said) ?? answered(statusCode, said) };
  }
}

function otherVersion(said: string): string | undefined {
  const [, asked, spoken] = OTHER_VERSION.exec(said) ?? [];
  if (asked === undefined) return undefined;
  return `speaks read API ${spoken} and not ${asked}: shard and query proxy are of different versions`;
}

function answered(statusCode: number, said: string): string {
  return said === '' ? `answered ${statusCode}` : `answered ${statusCode}: ${said}`;
}

/** The error that a body tells, when it is JSON that tells one. */
export function errorMember(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === 'string' ? error : undefined;
  } catch {
    return undefined;
  }
}
