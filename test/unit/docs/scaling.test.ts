import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leavesOf } from '../../../src/shared/config/leaves.ts';
import { prometheusRules, repositoryFile } from '../../support/deploy-files.ts';
import { KNOWN_SERIES } from '../../support/known-metrics.ts';

const text = repositoryFile('docs', 'SCALING.md');
const spans = [...text.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span);

describe('docs/SCALING.md', () => {
  it('names settings and metrics that there are', () => {
    const settings = spans.filter(span => /^(?:ingest|queue|delivery|query|shard)\.\w+[\w.]*$/.test(span));
    const metrics = spans.filter(span => /^(?:otelfan|otelcol|process)_\w+$/.test(span));
    const known = leavesOf().map(({ path }) => path);
    expect([settings.length > 5, metrics.length > 3]).toEqual([true, true]);
    expect(settings.filter(name => !known.includes(name))).toEqual([]);
    expect(metrics.filter(name => !KNOWN_SERIES.has(name))).toEqual([]);
  });

  it('links to alerts, pages and a picture that there are', () => {
    const alerts = prometheusRules().alerts.map(({ alert }) => alert.toLowerCase());
    for (const [, file = '', anchor] of text.matchAll(/\]\(([\w.]+)(?:#([\w-]+))?\)/g)) {
      expect(existsSync(join('docs', file)), file).toBe(true);
      if (file === 'RUNBOOK.md') expect(alerts).toContain(anchor);
    }
  });
});
