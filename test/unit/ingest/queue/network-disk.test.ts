import { describe, expect, it } from 'vitest';
import { networkDisk } from '../../../../src/ingest/queue/network-disk.ts';

describe('the type of a file system', () => {
  it('tells disks of other machines from local ones', () => {
    expect(networkDisk(0x6969)).toBe('NFS');
    expect(networkDisk(0xff534d42)).toBe('CIFS');
    expect(networkDisk(0xff534d42 | 0)).toBe('CIFS');
    const [ext4, tmpfs, xfs, overlay] = [0xef53, 0x01021994, 0x58465342, 0x794c7630];
    for (const type of [ext4, tmpfs, xfs, overlay]) expect(networkDisk(type)).toBeUndefined();
  });
});
