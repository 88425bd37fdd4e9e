import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { telemetryDocs } from '../../../scripts/telemetry-docs.ts';
import { METRICS } from '../../../src/ingest/telemetry/metrics.ts';
import { createTelemetry } from '../../../src/ingest/telemetry/telemetry.ts';
import { QUERY_METRICS } from '../../../src/query/telemetry/metrics.ts';
import { SHARD_METRICS } from '../../../src/shard/telemetry/metrics.ts';

const text = readFileSync('docs/TELEMETRY.md', 'utf8');
const rows = text
  .split('\n')
  .map(line => line.split('|').map(cell => cell.trim()))
  .filter(([, metric = '']) => /^`\w+`$/.test(metric));
const documented = rows.map(([, metric = '', type, labels = '']) => ({
  name: metric.slice(1, -1),
  type,
  labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label),
}));

describe('docs/TELEMETRY.md', () => {
  it('is what the declarations say (otherwise run: node scripts/telemetry-docs.ts)', () => {
    expect(text).toBe(telemetryDocs());
  });

  it('has every metric that a scrape of each part can have, once for each, and no other', async () => {
    const ofOthers = [QUERY_METRICS, SHARD_METRICS].flatMap(specs =>
      Object.entries(specs).map(([name, { type }]) => ({ name, type })),
    );
    const snapshot = [...(await createTelemetry('primary').snapshot()), ...ofOthers];
    const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name).sort();
    expect(names(documented)).toEqual(names(snapshot));
    const types = new Map(snapshot.map(({ name, type }) => [name, type]));
    for (const { name, type } of documented) expect(type, name).toBe(types.get(name));
  });

  it('has the labels and the meaning of every metric of our own', () => {
    for (const [name, { labels, help }] of Object.entries({
      ...METRICS,
      ...QUERY_METRICS,
      ...SHARD_METRICS,
    })) {
      const row = rows.find(([, metric]) => metric === `\`${name}\``);
      expect(documented.find(metric => metric.name === name)?.labels).toEqual([...labels]);
      expect(row?.[5]).toBe(help);
    }
  });
});
