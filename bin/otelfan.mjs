#!/usr/bin/env node
// Starts the TypeScript sources as they are. Node refuses to strip types below node_modules, so an installed copy
// strips its own; a Node that is too old is replaced by the one in the dependencies.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// File access, DNS and compression share it; a shard, whose queries do as well, sets it by its own limits.
process.env.UV_THREADPOOL_SIZE ??= '16';
// grpc-js writes what it also throws to stderr, past our logs.
process.env.GRPC_VERBOSITY ??= 'NONE';

const WANTED_NODE_MAJOR = 24;
const main = new URL('../src/cli/main.ts', import.meta.url);

if (Number(process.versions.node.split('.')[0]) < WANTED_NODE_MAJOR) {
  const node = join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin', 'node');
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.once('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
} else {
  if (import.meta.url.includes('/node_modules/')) {
    const sources = new URL('../src/', import.meta.url).href;
    // That stripping is experimental is our business, not the user's.
    const printWarning = process.listeners('warning');
    process.removeAllListeners('warning').on('warning', warning => {
      if (warning.name !== 'ExperimentalWarning') for (const print of printWarning) print(warning);
    });
    module.registerHooks({
      load(url, context, nextLoad) {
        if (!url.startsWith(sources) || !url.endsWith('.ts')) return nextLoad(url, context);
        const source = module.stripTypeScriptTypes(readFileSync(new URL(url), 'utf8'));
        return { format: 'module', source, shortCircuit: true };
      },
    });
  }
  await import(main.href);
}
