import { describe, expect, it } from 'vitest';
import { grafanaDashboard } from '../../../scripts/grafana-dashboard.ts';
import { PANEL_ROWS } from '../../../scripts/grafana-panels.ts';
import { repositoryFile } from '../../support/deploy-files.ts';
import { checkPromql } from '../../support/promql-check.ts';

const panels = PANEL_ROWS.flatMap(row => row.panels);

interface Placed {
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
}

describe('deploy/grafana/otelfan.json', () => {
  it('is what the panels say (otherwise run: node scripts/grafana-dashboard.ts && npm run format)', () => {
    const written: unknown = JSON.parse(repositoryFile('deploy', 'grafana', 'otelfan.json'));
    expect(written).toEqual(JSON.parse(grafanaDashboard()));
  });

  it.each(panels)(
    '$title asks for metrics that there are, and names series by labels that they have',
    ({ queries }) => {
      for (const [legend, query] of Object.entries(queries)) {
        const { faults, labels } = checkPromql(query.replaceAll('$__rate_interval', '5m'));
        expect(faults).toEqual([]);
        const named = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
        expect(named.filter(label => !labels.has(label))).toEqual([]);
      }
    },
  );

  it('has no two panels in one place', () => {
    const { panels: placed } = JSON.parse(grafanaDashboard()) as { panels: Placed[] };
    const cells = placed.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...placed.map(({ gridPos }) => gridPos.x + gridPos.w))).toBe(24);
  });
});
