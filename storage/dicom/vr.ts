// Value representations (PS3.5 6.2): which hold text, numbers or bytes, and how long their elements and words are.

const TEXT_VRS = ['AE', 'AS', 'CS', 'DA', 'DS', 'DT', 'IS', 'LO', 'LT', 'PN', 'SH', 'ST', 'TM', 'UC', 'UI', 'UR', 'UT'];

/** VRs whose value is bytes, not text, numbers or items. */
export const BINARY_VRS: ReadonlySet<string> = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'UN']);
/** VRs with a length of 32 bits in Explicit VR (PS3.5 7.1.2). */
export const LONG_VRS: ReadonlySet<string> = new Set([...BINARY_VRS, 'SQ', 'SV', 'UC', 'UR', 'UT', 'UV']);
/** Bytes of a number by VR. */
export const NUMBER_SIZES: Readonly<Record<string, number>> = { FD: 8, FL: 4, SL: 4, SS: 2, SV: 8, UL: 4, US: 2, UV: 8, AT: 4 };
/** Bytes of the word whose order changes with the transfer syntax. */
export const WORD_SIZES: Readonly<Record<string, number>> = { OW: 2, OF: 4, OL: 4, OD: 8, OV: 8 };
/** Every VR of the standard. */
export const KNOWN_VRS: ReadonlySet<string> = new Set([...TEXT_VRS, ...BINARY_VRS, ...Object.keys(NUMBER_SIZES), 'SQ']);

/** A copy with the bytes of each word in the other order; bytes that do not fill a last word stay. */
export function swapWords(bytes: Uint8Array, size: number): Uint8Array {
  const copy = Buffer.from(bytes);
  const whole = copy.subarray(0, copy.length - (copy.length % size));
  if (size === 2) whole.swap16();
  else if (size === 4) whole.swap32();
  else if (size === 8) whole.swap64();
  return copy;
}

/** Bytes as characters of the same number, without a copy of the bytes. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
