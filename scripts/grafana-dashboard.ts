// Writes deploy/grafana/otelfan.json: node scripts/grafana-dashboard.ts
import { writeFileSync } from 'node:fs';
import { PANEL_ROWS, type Panel } from './grafana-panels.ts';

const FILE = new URL('../deploy/grafana/otelfan.json', import.meta.url);

const COLUMNS = 24;
const PANELS_A_ROW = 3;
const WIDTH = COLUMNS / PANELS_A_ROW;
const HEIGHT = 8;
const DATASOURCE = { type: 'prometheus', uid: '$datasource' };

/** The whole text of the dashboard, as Grafana imports it. */
export function grafanaDashboard(): string {
  const panels: object[] = [];
  let y = 0;
  for (const { title, panels: inRow } of PANEL_ROWS) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: at({ y, w: COLUMNS, h: 1 }),
    });
    y += 1;
    for (const [index, panel] of inRow.entries()) {
      const place = { x: WIDTH * (index % PANELS_A_ROW), y: y + HEIGHT * Math.floor(index / PANELS_A_ROW) };
      panels.push({
        id: panels.length + 1,
        ...timeSeries(panel),
        gridPos: at({ ...place, w: WIDTH, h: HEIGHT }),
      });
    }
    y += HEIGHT * Math.ceil(inRow.length / PANELS_A_ROW);
  }
  const dashboard = {
    uid: 'otelfan',
    title: 'otelfan',
    description:
      'Ingest, queue, delivery, reads and shards of otelfan. docs/RUNBOOK.md says what to do about them.',
    tags: ['otelfan'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    templating: {
      list: [{ name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' }],
    },
    panels,
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

function at({ x = 0, ...rest }: { x?: number; y: number; w: number; h: number }) {
  return { x, ...rest };
}

function timeSeries({ title, about, unit, max, queries }: Panel) {
  return {
    type: 'timeseries',
    title,
    description: about,
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(max !== undefined && { max }),
        custom: { fillOpacity: 10, showPoints: 'never' },
      },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'list', placement: 'bottom' },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    targets: Object.entries(queries).map(([legendFormat, expr], index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  };
}

if (import.meta.main) writeFileSync(FILE, grafanaDashboard());
