// What `npm start`, `npm test` and `npm run check` do first. Plain JavaScript for any Node from 20 on: it installs
// the dependencies, one of which is the Node that runs everything else.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..');
const WANTED_NODE_MAJOR = 24;

/** Installs what package-lock.json names and node_modules lacks; development tools only when asked for. */
export function ensureInstalled({ dev }) {
  if (isInstalled({ dev })) return;
  console.error('otelfan: installing dependencies (once)…');
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error', ...(dev ? [] : ['--omit=dev'])];
  const { status } = spawnSync('npm', args, {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status !== 0) fail(`npm ${args.join(' ')} failed; its own message is above`);
}

function isInstalled({ dev }) {
  const installedFile = join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  return Object.entries(wanted).every(([path, { version, optional, dev: isDev, devOptional }]) => {
    const isNeeded = path !== '' && !optional && !devOptional && (dev || !isDev);
    return !isNeeded || installed[path]?.version === version;
  });
}

/** The Node that runs TypeScript directly: this one if it is new enough, else the one in node_modules. */
export function resolveNode() {
  if (Number(process.versions.node.split('.')[0]) >= WANTED_NODE_MAJOR) return process.execPath;
  const installed = join(
    ROOT,
    'node_modules',
    'node',
    'bin',
    process.platform === 'win32' ? 'node.exe' : 'node',
  );
  if (!existsSync(installed)) fail('the "node" package did not install its binary; run: npm rebuild node');
  return installed;
}

/** Runs a command in the foreground, passing signals on, and resolves to its exit code. */
export function run(command, args, env = process.env) {
  const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
}

export function fail(message) {
  console.error(`otelfan: ${message}`);
  process.exit(1);
}
