import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const APT = 'apt-get';
const POLICY_FILE = '/usr/sbin/policy-rc.d';

/**
 * How the tests get a Redis: `{ url }` of the one that OTELFAN_TEST_REDIS_URL names, else `{ command }`, the words
 * that start a redis-server when options are appended. Installs one where that needs no question.
 */
export async function ensureRedisServer() {
  const url = process.env.OTELFAN_TEST_REDIS_URL;
  if (url) return { url };
  if (await works('redis-server', ['--version'])) return { command: ['redis-server'] };
  if (canInstall()) {
    await installWithApt();
    if (await works('redis-server', ['--version'])) return { command: ['redis-server'] };
  }
  if (await works('docker', ['info'])) {
    return { command: ['docker', 'run', '--rm', '--network', 'host', 'redis:7', 'redis-server'] };
  }
  throw new Error(
    'The tests need Redis: install redis-server (or start Docker), or set OTELFAN_TEST_REDIS_URL=redis://host:port.',
  );
}

async function works(command, args) {
  try {
    await run(command, args, { timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}

function canInstall() {
  if (process.platform !== 'linux' || process.getuid() !== 0 || !existsSync('/etc/os-release')) return false;
  return /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'));
}

/** The package starts a system service on port 6379 unless the policy file says no; the tests start their own. */
async function installWithApt() {
  console.log(`redis-server is missing: installing it with ${APT} (a minute at most)`);
  const ownPolicy = !existsSync(POLICY_FILE);
  if (ownPolicy) await writeFile(POLICY_FILE, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await apt(['update']);
    await apt(['install', '--yes', '--no-install-recommends', 'redis-server']);
  } finally {
    if (ownPolicy) await rm(POLICY_FILE, { force: true });
  }
}

function apt(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(APT, ['-qq', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', chunk => {
      stderr = (stderr + chunk).slice(-2000);
    });
    child.on('error', reject);
    child.on('close', code => {
      if (code === 0) resolve();
      else reject(new Error(`${APT} ${args.join(' ')} ended with ${code}: ${stderr.trim()}`));
    });
  });
}
