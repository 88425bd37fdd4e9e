// Writes docs/scaling.svg from bench/results/scale.json: node bench/scale/plot.ts
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Figures } from '../figures.ts';

interface PanelSpec {
  readonly title: string;
  /** What figures are counted by: the first word of their names. */
  readonly by: 'shards' | 'replicas';
  /** Figure by legend. */
  readonly series: Readonly<Record<string, string>>;
}

const PANELS: readonly PanelSpec[] = [
  {
    title: 'Query: CPU ms of the proxy',
    by: 'shards',
    series: {
      '1 row': 'cpu_ms_per_query_of_1',
      '100 rows': 'cpu_ms_per_query_of_100',
      '1000 rows': 'cpu_ms_per_query_of_1000',
    },
  },
  {
    title: 'Ingest: CPU µs per span, two replicas',
    by: 'shards',
    series: { ingest: 'cpu_us_per_span', Redis: 'redis_cpu_us_per_span' },
  },
  { title: 'Ingest: spans per batch, two replicas', by: 'shards', series: { spans: 'spans_per_batch' } },
  {
    title: 'Redis commands per second at rest',
    by: 'shards',
    series: { 'two replicas': 'idle_redis_commands_per_second' },
  },
  {
    title: 'Redis commands per second at rest',
    by: 'replicas',
    series: { '16 shards': 'idle_redis_commands_per_second' },
  },
  {
    title: 'Ingest: CPU µs per span, 16 shards',
    by: 'replicas',
    series: { ingest: 'cpu_us_per_span', Redis: 'redis_cpu_us_per_span' },
  },
  {
    title: 'Open sockets',
    by: 'shards',
    series: {
      'a proxy, 16 queries at once': 'query_sockets_of_16_clients',
      'two ingest replicas': 'ingest_sockets',
    },
  },
  {
    title: 'Share of the data',
    by: 'shards',
    series: {
      'that one more shard moves': 'one_more_moves_share',
      'that twice as many move': 'twice_as_many_moves_share',
      'by which the shares deviate': 'share_deviation',
    },
  },
  { title: 'CPU ms to work out a topology', by: 'shards', series: { 'every process': 'assign_cpu_ms' } },
];

const COLUMNS = 3;
const WIDTH = 360;
const HEIGHT = 260;
const LEFT = 56;
const RIGHT = 16;
const TOP = 34;
const BOTTOM = 78;
const COLORS = ['#1f77b4', '#d62728', '#2ca02c'];

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Every panel on logarithmic axes, so that what grows with a number is a straight line. */
export function scalePlot(figures: Figures): string {
  const panels = PANELS.map((panel, index) => {
    const at = `translate(${WIDTH * (index % COLUMNS)} ${HEIGHT * Math.floor(index / COLUMNS)})`;
    return `<g transform="${at}">\n${panelSvg(panel, figures)}\n</g>`;
  });
  const size = `${WIDTH * COLUMNS} ${HEIGHT * Math.ceil(PANELS.length / COLUMNS)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size}" font-family="sans-serif" font-size="11">`,
    '<title>What grows with the number of shards and replicas</title>',
    `<rect width="100%" height="100%" fill="white"/>`,
    ...panels,
    '</svg>\n',
  ].join('\n');
}

function panelSvg({ title, by, series }: PanelSpec, figures: Figures): string {
  const lines = Object.entries(series).map(([legend, figure]) => ({
    legend,
    points: pointsOf(figures, by, figure),
  }));
  const points = lines.flatMap(line => line.points);
  const xs = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const low = Math.floor(Math.log10(Math.min(...points.map(({ y }) => y))));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...points.map(({ y }) => y)))));
  const [first = 1, last = 2] = [xs[0], xs.at(-1)];
  const xOf = (x: number) => LEFT + ((WIDTH - LEFT - RIGHT) * Math.log(x / first)) / Math.log(last / first);
  const yOf = (y: number) => TOP + ((HEIGHT - TOP - BOTTOM) * (high - Math.log10(y))) / (high - low);
  const decades = Array.from({ length: high - low + 1 }, (_, index) => low + index);
  return [
    text({ x: LEFT, y: 18, text: title, weight: 'bold' }),
    ...decades.flatMap(decade => {
      const y = yOf(10 ** decade);
      return [
        `<path d="M${LEFT} ${at(y)}H${WIDTH - RIGHT}" stroke="#ddd"/>`,
        text({ x: LEFT - 6, y: y + 4, text: decadeText(decade), anchor: 'end' }),
      ];
    }),
    ...xs.map(x => text({ x: xOf(x), y: HEIGHT - BOTTOM + 16, text: String(x), anchor: 'middle' })),
    text({ x: WIDTH - RIGHT, y: HEIGHT - BOTTOM + 30, text: by, anchor: 'end' }),
    ...lines.flatMap(({ legend, points }, index) => {
      const color = COLORS[index % COLORS.length];
      const places = points.map(({ x, y }) => `${at(xOf(x))} ${at(yOf(y))}`);
      return [
        `<path d="M${places.join('L')}" fill="none" stroke="${color}" stroke-width="2"/>`,
        ...points.map(
          ({ x, y }) =>
            `<circle cx="${at(xOf(x))}" cy="${at(yOf(y))}" r="3" fill="${color}"><title>${legend}, ${x} ${by}: ${y}</title></circle>`,
        ),
        text({ x: LEFT, y: HEIGHT - BOTTOM + 30 + 14 * index, text: legend, color }),
      ];
    }),
  ].join('\n');
}

function pointsOf(figures: Figures, by: string, figure: string): Point[] {
  return Object.entries(figures)
    .flatMap(([name, y]) => {
      const [, x] = new RegExp(`^${by}_(\\d+)_${figure}$`).exec(name) ?? [];
      return x === undefined ? [] : [{ x: Number(x), y }];
    })
    .sort((a, b) => a.x - b.x);
}

function decadeText(decade: number): string {
  return decade < 0 ? (10 ** decade).toFixed(-decade) : String(10 ** decade);
}

function at(place: number): string {
  return place.toFixed(1);
}

interface Text {
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly anchor?: 'middle' | 'end';
  readonly weight?: 'bold';
  readonly color?: string | undefined;
}

function text({ x, y, text: content, anchor, weight, color }: Text): string {
  const attributes = [
    ...(anchor === undefined ? [] : [`text-anchor="${anchor}"`]),
    ...(weight === undefined ? [] : [`font-weight="${weight}"`]),
    ...(color === undefined ? [] : [`fill="${color}"`]),
  ];
  return `<text x="${at(x)}" y="${at(y)}"${attributes.map(each => ` ${each}`).join('')}>${content}</text>`;
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..', '..');
  const results = readFileSync(join(root, 'bench', 'results', 'scale.json'), 'utf8');
  const { figures } = JSON.parse(results) as { figures: Figures };
  writeFileSync(join(root, 'docs', 'scaling.svg'), scalePlot(figures));
}
