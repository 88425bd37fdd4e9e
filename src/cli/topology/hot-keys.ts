import { fetchFailure } from '../fetch-failure.ts';

/** A shard key that an ingest process saw often lately. */
export interface HotKey {
  readonly signal: string;
  readonly key: string;
  readonly shard: string;
  /** Its records of about the last minute, estimated. */
  readonly records: number;
}

const METRIC = 'otelfan_hot_key_records';
const TIMEOUT_MS = 2000;

/** The hottest keys that an ingest metrics endpoint tells of, hottest first; or why it told nothing. */
export async function fetchHotKeys(url: URL): Promise<readonly HotKey[] | string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await response.text();
    if (!response.ok) return `${url.href} answered ${response.status}`;
    return hotKeysIn(text);
  } catch (error) {
    return `${url.href} did not answer: ${fetchFailure(error)}`;
  }
}

/** The samples of one metric in the Prometheus text format. */
function hotKeysIn(exposition: string): HotKey[] {
  return exposition
    .split('\n')
    .flatMap(line => {
      const sample = SAMPLE.exec(line);
      if (sample === null) return [];
      const labels = labelsOf(sample[1] as string);
      const { signal = '', key = '', shard = '' } = labels;
      return [{ signal, key, shard, records: Number(sample[2]) }];
    })
    .sort((a, b) => b.records - a.records);
}

/** A label value may hold any character, `}` and spaces too, with `\`, `"` and line feeds escaped. */
const SAMPLE = new RegExp(`^${METRIC}\\{((?:[^"}]|"(?:[^"\\\\]|\\\\.)*")*)\\} (\\S+)`);
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(LABEL)].map(([, name, value]) => [
      name,
      (value as string).replace(/\\(.)/g, (_match, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
    ]),
  );
}
