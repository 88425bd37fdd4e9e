import type { RowOrder } from '../reads/row-order.ts';

export const NEWEST_LOGS_FIRST: RowOrder = {
  table: 'logs',
  columns: [
    ['time_ns', 'UBIGINT'],
    ['observed_ns', 'UBIGINT'],
    ['trace_id', 'UHUGEINT'],
    ['span_id', 'UBIGINT'],
    ['tie', 'UBIGINT'],
    ['row_id', 'BIGINT'],
  ],
  direction: 'DESC',
};
