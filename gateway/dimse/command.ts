// Command sets: the group 0000 part of a DIMSE message, always in Implicit VR Little Endian (PS3.7 6.3, annex E).
import { protocolError } from './association-error.ts';

/** Command Field (0000,0100) of the requests (PS3.7 table E.1-1), and of two responses; a response is its request with the top bit set. */
export const COMMAND = {
  storeRq: 0x0001,
  storeRsp: 0x8001,
  getRq: 0x0010,
  findRq: 0x0020,
  moveRq: 0x0021,
  echoRq: 0x0030,
  echoRsp: 0x8030,
  cancelRq: 0x0fff,
  nEventReportRq: 0x0100,
  nGetRq: 0x0110,
  nSetRq: 0x0120,
  nActionRq: 0x0130,
  nCreateRq: 0x0140,
  nDeleteRq: 0x0150,
} as const;

/** What a response has more than its request. */
export const RESPONSE_BIT = 0x8000;

export function isResponse({ commandField }: Pick<Command, 'commandField'>): boolean {
  return commandField >= RESPONSE_BIT;
}

/** Command Data Set Type (0000,0800) that says that no dataset follows; every other value says that one does. */
const NO_DATASET = 0x0101;

export interface Command {
  commandField: number;
  /** Whether a dataset follows. */
  hasDataset: boolean;
  affectedSopClassUid?: string;
  requestedSopClassUid?: string;
  messageId?: number;
  messageIdBeingRespondedTo?: number;
  /** 0 medium, 1 high, 2 low. */
  priority?: number;
  /** Of a C-MOVE: the AE title where the instances go. */
  moveDestination?: string;
  status?: number;
  /** Tags, as eight upper-case hexadecimal digits. */
  offendingElements?: string[];
  /** At most 64 characters. */
  errorComment?: string;
  errorId?: number;
  affectedSopInstanceUid?: string;
  requestedSopInstanceUid?: string;
  eventTypeId?: number;
  /** Of an N-GET: tags, as eight upper-case hexadecimal digits. */
  attributeIdentifiers?: string[];
  actionTypeId?: number;
  remainingSuboperations?: number;
  completedSuboperations?: number;
  failedSuboperations?: number;
  warningSuboperations?: number;
  moveOriginatorAe?: string;
  moveOriginatorMessageId?: number;
}

type Field = keyof Omit<Command, 'hasDataset'>;
/** Element number in group 0000, VR, and our name; in the order in which they are written. */
const FIELDS: readonly (readonly [element: number, vr: 'UI' | 'US' | 'LO' | 'AE' | 'AT', name: Field])[] = [
  [0x0002, 'UI', 'affectedSopClassUid'],
  [0x0003, 'UI', 'requestedSopClassUid'],
  [0x0100, 'US', 'commandField'],
  [0x0110, 'US', 'messageId'],
  [0x0120, 'US', 'messageIdBeingRespondedTo'],
  [0x0600, 'AE', 'moveDestination'],
  [0x0700, 'US', 'priority'],
  [0x0900, 'US', 'status'],
  [0x0901, 'AT', 'offendingElements'],
  [0x0902, 'LO', 'errorComment'],
  [0x0903, 'US', 'errorId'],
  [0x1000, 'UI', 'affectedSopInstanceUid'],
  [0x1001, 'UI', 'requestedSopInstanceUid'],
  [0x1002, 'US', 'eventTypeId'],
  [0x1005, 'AT', 'attributeIdentifiers'],
  [0x1008, 'US', 'actionTypeId'],
  [0x1020, 'US', 'remainingSuboperations'],
  [0x1021, 'US', 'completedSuboperations'],
  [0x1022, 'US', 'failedSuboperations'],
  [0x1023, 'US', 'warningSuboperations'],
  [0x1030, 'AE', 'moveOriginatorAe'],
  [0x1031, 'US', 'moveOriginatorMessageId'],
];
const FIELD_OF = new Map(FIELDS.map(([element, vr, name]) => [element, { vr, name }]));
const COMMAND_DATA_SET_TYPE = 0x0800;

/**
 * Elements that we have no use for are passed over, and so is the group length, which only repeats what the PDVs say.
 * @throws {AssociationError} where an element is not of group 0000, runs past the end, or has a length that its VR does not allow
 */
export function decodeCommand(bytes: Buffer): Command {
  const values: Record<string, string | number | string[]> = {};
  let dataSetType: number | undefined;
  for (let at = 0; at < bytes.length; ) {
    if (at + 8 > bytes.length) throw protocolError('a command set ends within the header of an element');
    const group = bytes.readUInt16LE(at);
    const element = bytes.readUInt16LE(at + 2);
    const length = bytes.readUInt32LE(at + 4);
    const tag = `(${hex4(group)},${hex4(element)})`;
    if (group !== 0) throw protocolError(`a command set has element ${tag}, which is not of group 0000`);
    if (length > bytes.length - at - 8) throw protocolError(`a command set has ${tag} with ${length} bytes, more than are left`);
    const value = bytes.subarray(at + 8, at + 8 + length);
    if (element === COMMAND_DATA_SET_TYPE) dataSetType = unsignedShort(tag, value);
    const field = FIELD_OF.get(element);
    if (field) values[field.name] = decodeValue(field.vr, tag, value);
    at += 8 + length;
  }
  if (values.commandField === undefined) throw protocolError('a command set has no Command Field (0000,0100)');
  if (dataSetType === undefined) throw protocolError('a command set has no Command Data Set Type (0000,0800)');
  return { ...values, commandField: values.commandField as number, hasDataset: dataSetType !== NO_DATASET };
}

export function encodeCommand(command: Command): Buffer {
  const elements = FIELDS.flatMap(([element, vr, name]) => {
    const value = command[name];
    if (value === undefined) return [];
    return [{ element, bytes: encodeValue(vr, value) }];
  });
  elements.push({ element: COMMAND_DATA_SET_TYPE, bytes: short(command.hasDataset ? 0x0000 : NO_DATASET) });
  elements.sort((a, b) => a.element - b.element);
  const body = Buffer.concat(elements.map(({ element, bytes }) => Buffer.concat([elementHeader(element, bytes.length), bytes])));
  const groupLength = Buffer.alloc(4);
  groupLength.writeUInt32LE(body.length);
  return Buffer.concat([elementHeader(0x0000, 4), groupLength, body]);
}

function decodeValue(vr: string, tag: string, value: Buffer): string | number | string[] {
  if (vr === 'US') return unsignedShort(tag, value);
  if (vr === 'AT') return tags(tag, value);
  const text = value.toString('latin1').replace(/[\0 ]+$/, '');
  return vr === 'AE' ? text.trimStart() : text;
}

function encodeValue(vr: string, value: string | number | string[]): Buffer {
  if (typeof value === 'number') return short(value);
  if (typeof value === 'string') return padded(value, vr === 'UI' ? '\0' : ' ');
  return Buffer.concat(value.flatMap((tag) => [short(Number.parseInt(tag.slice(0, 4), 16)), short(Number.parseInt(tag.slice(4), 16))]));
}

function tags(tag: string, value: Buffer): string[] {
  if (value.length % 4 !== 0) throw protocolError(`a command set has ${tag} with ${value.length} bytes, which are no tags`);
  return Array.from({ length: value.length / 4 }, (_, index) => hex4(value.readUInt16LE(4 * index)) + hex4(value.readUInt16LE(4 * index + 2)));
}

function unsignedShort(tag: string, value: Buffer): number {
  if (value.length !== 2) throw protocolError(`a command set has ${tag} with ${value.length} bytes instead of 2`);
  return value.readUInt16LE(0);
}

function elementHeader(element: number, length: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16LE(element, 2);
  header.writeUInt32LE(length, 4);
  return header;
}

function short(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function padded(value: string, pad: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from(pad, 'latin1')]);
}

/** A status, tag half or command field as the standard prints it: four hexadecimal digits. */
export function hex4(value: number): string {
  return value.toString(16).toUpperCase().padStart(4, '0');
}
