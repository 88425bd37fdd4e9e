import { describe, expect, it } from 'vitest';
import type { QueryRows } from '../../../../src/shard/reads/query.ts';
import { joinPicked, onlyPicked } from '../../../../src/shard/search/picked-rows.ts';

function resultOf(count: number): QueryRows {
  const rows = Array.from({ length: count }, (_, index) => [index, `row ${index}`]);
  return { count, rows: () => rows, column: index => rows.map(row => row[index] as number | string) };
}

describe('picked rows', () => {
  it.each([[[]], [[3]], [[0, 9]], [[1, 2, 3, 4, 5, 6, 7]]])(
    'are the same without the others: %j',
    positions => {
      const page = { result: resultOf(10), positions };
      const [all, some] = [page, onlyPicked(page)].map(part => joinPicked([part], 10));
      expect([...(some as QueryRows).rows()]).toEqual([...(all as QueryRows).rows()]);
      expect([...(some as QueryRows).column(1)]).toEqual(positions.map(position => `row ${position}`));
      expect(some?.count).toBe(positions.length);
    },
  );

  it('do not keep the result when they are few', () => {
    const result = resultOf(10);
    expect(onlyPicked({ result, positions: [3] }).result).not.toBe(result);
    expect(onlyPicked({ result, positions: [] }).result).not.toBe(result);
  });
});
