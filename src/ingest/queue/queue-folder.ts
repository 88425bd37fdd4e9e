import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FolderLock, lockFolder } from '../../shared/folder-lock.ts';
import type { Clock } from '../../shared/time.ts';

/** The queue's folder cannot be used as it is; the message says why and what to do. */
export class UnusableQueueError extends Error {
  override readonly name = 'UnusableQueueError';
}

/** One of the processes that have a queue's folder open, by a lock that the kernel takes back when it dies. */
export interface Member {
  readonly id: string;
  /** Whether another member is still there. One that went may be noticed a moment late. */
  isAlive(id: string): boolean;
  /** Runs while no other process joins, or does something alone. */
  alone<T>(act: () => Promise<T>): Promise<T>;
  leave(): Promise<void>;
}

interface JoinOptions {
  readonly dir: string;
  readonly clock: Clock;
  /** Runs before this process joins, when it is the only one; nobody else can join meanwhile. */
  readonly whenFirst: () => Promise<void>;
}

const GATE_POLL_MS = 20;
/** Who leaves and who cleans up after the dead may remove the same folder at the same time. */
const REMOVAL = { recursive: true, force: true, maxRetries: 3 };
/** A member that was found alive is believed for this long. */
const ALIVE_FOR_MS = 500;

/**
 * @throws UnusableQueueError when the folder cannot be written to, or `whenFirst` fails.
 */
export async function joinFolder({ dir, clock, whenFirst }: JoinOptions): Promise<Member> {
  const members = join(dir, 'members');
  await mkdir(members, { recursive: true }).catch(unusable(dir));
  return inGate(dir, async () => {
    if (await isEmptied(members)) await whenFirst().catch(unusable(dir));
    return { ...become(members, clock), alone: act => inGate(dir, act) };
  });
}

async function inGate<T>(dir: string, act: () => Promise<T>): Promise<T> {
  const gate = await enter(join(dir, 'gate'));
  try {
    return await act();
  } finally {
    gate.release();
  }
}

type Locked = Extract<FolderLock, { kind: 'locked' }>;

async function enter(gate: string): Promise<Locked> {
  for (;;) {
    const lock = lockFolder(gate);
    if (lock.kind === 'locked') return lock;
    if (lock.kind === 'unusable') throw new UnusableQueueError(`queue folder ${gate}: ${lock.reason}`);
    await sleep(GATE_POLL_MS);
  }
}

/** Removes what dead members left; whether nobody is left then. */
async function isEmptied(members: string): Promise<boolean> {
  let alive = 0;
  for (const id of await readdir(members)) {
    if (isLocked(join(members, id))) alive += 1;
    else await rm(join(members, id), REMOVAL);
  }
  return alive === 0;
}

function become(members: string, clock: Clock): Omit<Member, 'alone'> {
  const id = randomUUID();
  const lock = lockFolder(join(members, id));
  if (lock.kind !== 'locked') throw new Error(`the folder of a new member is ${lock.kind}`);
  const aliveUntilMs = new Map<string, number>([[id, Number.POSITIVE_INFINITY]]);
  const dead = new Set<string>();
  return {
    id,
    isAlive(other) {
      if (dead.has(other)) return false;
      if ((aliveUntilMs.get(other) ?? 0) > clock.now()) return true;
      if (isLocked(join(members, other))) {
        aliveUntilMs.set(other, clock.now() + ALIVE_FOR_MS);
        return true;
      }
      aliveUntilMs.delete(other);
      dead.add(other);
      return false;
    },
    async leave() {
      lock.release();
      await rm(join(members, id), REMOVAL);
    },
  };
}

function isLocked(member: string): boolean {
  if (!existsSync(member)) return false;
  const lock = lockFolder(member);
  if (lock.kind === 'locked') lock.release();
  return lock.kind === 'in use';
}

function unusable(dir: string): (error: Error) => never {
  return error => {
    if (error instanceof UnusableQueueError) throw error;
    throw new UnusableQueueError(`queue folder ${dir} cannot be used: ${error.message}`);
  };
}
