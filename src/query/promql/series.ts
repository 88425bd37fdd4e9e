import { compareUtf8 } from '../merge/key-order.ts';
import { type Matcher, NAME_LABEL } from './matcher.ts';
import type { Point, PointSource, PointsRequest } from './points.ts';

/** Names with their values, ascending by name. */
export type Labels = readonly (readonly [name: string, value: string])[];

/** The samples of one metric with the same labels. */
export interface Series {
  readonly name: string;
  readonly labels: Labels;
  /** The newest first. */
  readonly samples: Sample[];
}

export interface Sample {
  readonly timeNs: bigint;
  readonly value: number;
}

/** Labels that come from elsewhere than the attributes. */
const SERVICE_LABEL = 'service';
const OWN_LABELS: readonly string[] = [SERVICE_LABEL, NAME_LABEL];
const EXPORTED = 'exported_';

/** Collects points, which come newest first, into the series that all matchers accept. */
export function createSeriesSet(matchers: readonly Matcher[]) {
  const known = new Map<string, Series | undefined>();
  const bySource = new Map<PointSource, Series | undefined>();

  function seriesOf({ name, service, attributes }: PointSource): Series | undefined {
    const labels = labelsOf(service, attributes);
    const key = identityOf(labels, name);
    // A series that is not accepted is remembered as well, for matching may be dear.
    if (!known.has(key))
      known.set(key, isAccepted(name, labels, matchers) ? { name, labels, samples: [] } : undefined);
    return known.get(key);
  }

  return {
    add({ source, timeNs, value }: Point): void {
      if (value === undefined) return;
      if (!bySource.has(source)) bySource.set(source, seriesOf(source));
      bySource.get(source)?.samples.push({ timeNs, value });
    },
    series: (): Series[] => [...known.values()].filter(series => series !== undefined),
  };
}

/**
 * The attributes and the service. An attribute with the name of a label of ours is shown as `exported_service`, as
 * Prometheus does when a target's label collides with its own.
 */
function labelsOf(service: string, attributes: Readonly<Record<string, string>>): Labels {
  const labels = new Map<string, string>();
  const collided: [string, string][] = [];
  for (const [name, value] of Object.entries(attributes)) {
    if (OWN_LABELS.includes(name)) collided.push([name, value]);
    else labels.set(name, value);
  }
  for (const [name, value] of collided) {
    let exported = `${EXPORTED}${name}`;
    while (labels.has(exported)) exported = `${EXPORTED}${exported}`;
    labels.set(exported, value);
  }
  labels.set(SERVICE_LABEL, service);
  return [...labels].sort(([a], [b]) => compareUtf8(a, b));
}

function isAccepted(name: string, labels: Labels, matchers: readonly Matcher[]): boolean {
  const values = new Map<string, string>([...labels, [NAME_LABEL, name]]);
  return matchers.every(({ label, accepts }) => accepts(values.get(label) ?? ''));
}

/** Equal for equal labels and names alone: whatever is in a value, JSON keeps it apart from what is around it. */
export function identityOf(labels: Labels, name: string): string {
  return JSON.stringify([labels, name]);
}

/** Ascending by labels, then by name, all as UTF-8 bytes. */
export function compareLabels(a: Labels, b: Labels): number {
  const textsA = a.flat();
  const textsB = b.flat();
  for (const [index, text] of textsA.entries()) {
    const other = textsB[index];
    if (other === undefined) return 1;
    const compared = compareUtf8(text, other);
    if (compared !== 0) return compared;
  }
  return textsA.length - textsB.length;
}

/** What shards can filter by; a superset of what the matchers accept. */
export function pushedDown(matchers: readonly Matcher[]): PointsRequest {
  const equal = (label: string) =>
    matchers.find(matcher => matcher.label === label && matcher.operator === '=')?.value;
  return {
    name: equal(NAME_LABEL),
    service: equal(SERVICE_LABEL),
    attributes: matchers
      .filter(({ label, operator, value }) => operator === '=' && value !== '' && isAttribute(label))
      .map(({ label, value }) => [label, value] as [string, string]),
  };
}

/** Whether a label can be nothing but an attribute of that very name. */
function isAttribute(label: string): boolean {
  return !OWN_LABELS.includes(label) && !label.startsWith(EXPORTED);
}
