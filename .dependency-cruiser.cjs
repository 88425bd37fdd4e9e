/** The arrows only point down: cli → {ingest, query, shard} → shared. */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'shared-is-a-leaf',
      severity: 'error',
      from: { path: '^src/shared' },
      to: { path: '^src/(ingest|query|shard|cli)' },
    },
    {
      name: 'ingest-stands-alone',
      severity: 'error',
      from: { path: '^src/ingest' },
      to: { path: '^src/(query|shard|cli)/' },
    },
    {
      name: 'query-stands-alone',
      severity: 'error',
      from: { path: '^src/query' },
      to: { path: '^src/(ingest|shard|cli)/' },
    },
    {
      name: 'shard-stands-alone',
      severity: 'error',
      from: { path: '^src/shard/' },
      to: { path: '^src/(ingest|query|cli)/' },
    },
    {
      name: 'queue-and-delivery-meet-at-the-contract',
      severity: 'error',
      from: { path: '^src/ingest/delivery' },
      to: { path: '^src/ingest/queue/', pathNot: '^src/ingest/queue/(batch-queue|batch)\\.ts$' },
    },
    {
      name: 'sources-do-not-import-tests',
      severity: 'error',
      from: { path: '^src' },
      to: { path: '^(test|bench)' },
    },
    {
      name: 'only-declared-packages',
      severity: 'error',
      from: { path: '^src' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'] },
    },
    { name: 'nothing-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
    },
  },
};
