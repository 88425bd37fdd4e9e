/** File system types as `statfs` tells them on Linux (statfs(2)), of those where files are on another machine. */
const NETWORK_TYPES = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xfe534d42, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0x01021997, '9P'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
  [0x0bd00bd0, 'Lustre'],
]);

/** The name of a network file system, by the type that `fs.statfs` gives; `undefined` for others. */
export function networkDisk(type: number): string | undefined {
  // Some platforms give the 32 bits as a signed number.
  return NETWORK_TYPES.get(type >>> 0);
}
