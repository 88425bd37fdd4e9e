/** Byte ranges of a request as a flat list `[start, end, start, end, …]`; neighbours that touch are one range. */
export type Ranges = number[];

export function addRange(ranges: Ranges, start: number, end: number): void {
  const last = ranges.length - 1;
  if (last > 0 && ranges[last] === start) ranges[last] = end;
  else ranges.push(start, end);
}

export function rangesSize(ranges: Readonly<Ranges>): number {
  let sizeBytes = 0;
  for (let i = 0; i < ranges.length; i += 2) sizeBytes += (ranges[i + 1] as number) - (ranges[i] as number);
  return sizeBytes;
}
