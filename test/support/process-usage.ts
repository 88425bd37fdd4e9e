import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts CPU time in hundredths of a second. */
const TICKS_PER_SECOND = 100;

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly cpuSeconds: number;
}

/** User and system time so far of a process and all its descendants that live, from the operating system. */
export function cpuSeconds(pid: number): number {
  return family(pid).reduce((sum, stat) => sum + stat.cpuSeconds, 0);
}

/** Memory of a process and its descendants that belongs to no file, in bytes: a mapped queue file is not counted. */
export function anonymousBytes(pid: number): number {
  return family(pid).reduce((sum, stat) => sum + anonymousBytesOf(stat.pid), 0);
}

/** The processes that it started and that live. */
export function childrenOf(pid: number): number[] {
  return family(pid)
    .filter(({ parent }) => parent === pid)
    .map(stat => stat.pid);
}

function family(pid: number): Stat[] {
  const all = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => statOf(Number(name)) ?? []);
  const members = all.filter(stat => stat.pid === pid);
  for (const member of members) members.push(...all.filter(stat => stat.parent === member.pid));
  return members;
}

function statOf(pid: number): Stat | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return {
      pid,
      parent: Number(fields[1]),
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    };
  } catch {
    return undefined;
  }
}

function anonymousBytesOf(pid: number): number {
  try {
    return (
      1024 * Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
    );
  } catch {
    return 0;
  }
}
