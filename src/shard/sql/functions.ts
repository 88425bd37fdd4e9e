import type { DuckDBConnection } from '@duckdb/node-api';

/**
 * Functions that a query may call. A scalar or aggregate function may be called when DuckDB says that it depends on
 * its arguments alone (`CONSISTENT`), which leaves out what reads settings, sequences, logs and clocks, and what has
 * effects; of those and of the macros the useful ones are named here. Names are lower-case.
 */
export async function loadAllowedFunctions(connection: DuckDBConnection): Promise<ReadonlySet<string>> {
  const result = await connection.runAndReadAll(`
    SELECT DISTINCT lower(function_name) FROM duckdb_functions()
    WHERE function_type IN ('scalar', 'aggregate') AND stability = 'CONSISTENT' AND NOT has_side_effects
       OR function_type = 'macro' AND regexp_matches(function_name, '^(list|array|json)(_|$)')
  `);
  const names = result.getRows().map(([name]) => String(name));
  return new Set([
    ...names.filter(name => !REFUSED.has(name) && !REFUSED_FAMILY.test(name)),
    ...FURTHER_MACROS,
    ...CLOCKS,
    'random',
    'unnest',
  ]);
}

/** Table functions that make rows of nothing but their arguments. */
export const ALLOWED_TABLE_FUNCTIONS: ReadonlySet<string> = new Set([
  'range',
  'generate_series',
  'unnest',
  'json_each',
  'json_tree',
]);

const REFUSED: ReadonlySet<string> = new Set([
  // They read the state of the database or take SQL apart, whatever their declaration says.
  'current_setting',
  'getvariable',
  'json_serialize_plan',
  'json_serialize_sql',
  'json_deserialize_sql',
  'parse_duckdb_log_message',
  // They take bytes for the inside of an aggregate or of a value.
  'combine',
  'finalize',
  'remap_struct',
  // A number in their arguments is the size of their result, which no memory limit of DuckDB sees.
  'repeat',
  'lpad',
  'rpad',
  'bar',
  'bitstring',
  'list_resize',
  'array_resize',
  'equi_width_bins',
  // Allowed as table functions, where they stream.
  'range',
  'generate_series',
]);

/** Internals of DuckDB, collations, and parsers of binary formats. */
const REFUSED_FAMILY = /^(?:__internal_|icu_|st_|variant_)/;

const FURTHER_MACROS = [
  'nullif',
  'split_part',
  'regexp_split_to_table',
  'fdiv',
  'fmod',
  'round_even',
  'roundbankers',
  'wavg',
  'weighted_avg',
  'geomean',
  'geometric_mean',
  'map_contains_entry',
  'map_contains_value',
  'date_add',
  'days_in_month',
  'ago',
];

const CLOCKS = [
  'now',
  'today',
  'current_date',
  'get_current_time',
  'get_current_timestamp',
  'transaction_timestamp',
];
