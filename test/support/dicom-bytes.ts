// DICOM bytes written element by element, so that tests can break what the writer never would.
import { LONG_VRS } from '../../storage/dicom/vr.ts';

export const UNDEFINED = 0xffffffff;

/** An element in Explicit VR Little Endian; `length` may lie. */
export function element(tag: string, vr: string, value: Uint8Array | string = '', length?: number): Buffer {
  const bytes = Buffer.from(value as string, 'latin1');
  const header = Buffer.alloc(LONG_VRS.has(vr) ? 12 : 8);
  header.set(tagBytes(tag));
  header.write(vr, 4, 'latin1');
  if (header.length === 12) header.writeUInt32LE(length ?? bytes.length, 8);
  else header.writeUInt16LE(length ?? bytes.length, 6);
  return Buffer.concat([header, bytes]);
}

/** An element in Implicit VR Little Endian, an item or a delimiter. */
export function implicit(tag: string, value: Uint8Array | string = '', length?: number): Buffer {
  const bytes = Buffer.from(value as string, 'latin1');
  const header = Buffer.alloc(8);
  header.set(tagBytes(tag));
  header.writeUInt32LE(length ?? bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

export const item = (content: Uint8Array, length?: number): Buffer => implicit('FFFEE000', content, length);
export const itemEnd = implicit('FFFEE00D');
export const sequenceEnd = implicit('FFFEE0DD');

/** Preamble, a file meta with the transfer syntax alone, and the dataset. */
export function file(transferSyntaxUid: string, ...dataset: Uint8Array[]): Buffer {
  const uid = transferSyntaxUid.length % 2 === 0 ? transferSyntaxUid : `${transferSyntaxUid}\0`;
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), element('00020010', 'UI', uid), ...dataset]);
}

function tagBytes(tag: string): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(parseInt(tag.slice(0, 4), 16), 0);
  bytes.writeUInt16LE(parseInt(tag.slice(4), 16), 2);
  return bytes;
}
