import { describe, expect, it } from 'vitest';
import { createPageSizer } from '../../../../src/shard/reads/page-sizer.ts';

describe('pages', () => {
  it('are as large as they are asked for as long as the bytes allow', () => {
    const pages = createPageSizer(1e9);
    expect(pages.next(100)).toBe(100);
    pages.add(100, 100_000);
    expect(pages.next(5000)).toBe(5000);
    pages.add(5000, 5_000_000);
    expect(pages.next(1_000_000)).toBe(51_000);
    expect(pages.isCut()).toBe(false);
  });

  it('start small, and are then no larger than fits by the size of the rows so far', () => {
    const pages = createPageSizer(100_000_000);
    expect(pages.next(1_000_000)).toBe(10_000);
    pages.add(10_000, 78_000_000);
    expect(pages.next(990_000)).toBe(2501);
  });

  it('end when the rows have as many bytes as they may, which is told', () => {
    const pages = createPageSizer(1_000_000);
    pages.add(10, 2_000_000);
    expect(pages.next(0)).toBe(0);
    expect(pages.isCut()).toBe(false);
    expect(pages.next(1)).toBe(0);
    expect(pages.isCut()).toBe(true);
  });
});
