// Items and sub-items, of which A-ASSOCIATE-RQ and -AC are made (PS3.8 9.3.2, annex D): type, reserved, length, value.
import { protocolError } from './association-error.ts';

export interface Item {
  type: number;
  value: Buffer;
}

export function item(type: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  if (value.length > 0xffff) throw new RangeError(`item ${hex(type)} has ${value.length} bytes, more than it can announce`);
  const header = Buffer.from([type, 0, 0, 0]);
  header.writeUInt16BE(value.length, 2);
  return Buffer.concat([header, value]);
}

export function uidItem(type: number, uid: string): Buffer {
  return item(type, Buffer.from(uid, 'latin1'));
}

/**
 * Splits a run of items or sub-items; unknown types are kept, for the caller to pass over (PS3.8 9.3.1).
 * @throws {AssociationError} where one runs past the end
 */
export function decodeItems(where: string, bytes: Buffer): Item[] {
  const items: Item[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) throw protocolError(`${where} ends within the header of an item`);
    const type = bytes[at]!;
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    if (end > bytes.length) throw protocolError(`${where}: item ${hex(type)} is longer than what holds it`);
    items.push({ type, value: bytes.subarray(at + 4, end) });
    at = end;
  }
  return items;
}

/** The first item of the type as a UID; '' where there is none. */
export function uidOf(items: Item[], type: number): string {
  const found = items.find((one) => one.type === type);
  return found ? uidText(found.value) : '';
}

/** Some peers pad these to even length, though PS3.8 annex F says not to. */
export function uidText(value: Buffer): string {
  return value.toString('latin1').replace(/[\0 ]+$/, '');
}

function hex(type: number): string {
  return `${type.toString(16).toUpperCase().padStart(2, '0')}H`;
}
